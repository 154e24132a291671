import { describe, expect, it } from 'vitest';
import type { KernelConfig } from '../../../machine/linux/init/config.ts';
import { KERNEL_WORDS } from '../../../machine/linux/init/kernel-parameters.ts';
import { type ConfigError, resolveConfig } from '../../../machine/linux/init/params.ts';

const ZEN = ['constant_tsc', 'retpoline', 'srso'];
const INTEL = ['constant_tsc', 'pcid', 'meltdown', 'retpoline'];
const MEMORY = 512 * 2 ** 20;

function resolve(words: string, features: readonly string[] = ZEN): KernelConfig {
  const config = resolveConfig(words, { features, memoryBytes: MEMORY, cpus: 2 });
  if ('kind' in config) throw new Error(config.message);
  return config;
}

function refuse(words: string): ConfigError {
  const config = resolveConfig(words, { features: ZEN, memoryBytes: MEMORY, cpus: 2 });
  if (!('kind' in config)) throw new Error('accepted');
  return config;
}

describe('defaults follow the CPU', () => {
  it('AMD Zen: no PTI, retpolines, SRSO thunk, no PCIDs', () => {
    expect(resolve('')).toMatchObject({
      pti: false,
      spectreV2: 'retpoline',
      srso: true,
      pcid: false,
    });
  });

  it('a CPU with Meltdown: PTI with PCIDs', () => {
    expect(resolve('', INTEL)).toMatchObject({ pti: true, pcid: true, srso: false });
    expect(resolve('nopcid', INTEL)).toMatchObject({ pti: true, pcid: false });
  });

  it('mitigations=off turns all off, an explicit word wins', () => {
    expect(resolve('mitigations=off')).toMatchObject({ pti: false, spectreV2: 'off', srso: false });
    expect(resolve('mitigations=off pti=on').pti).toBe(true);
    expect(resolve('nopti', INTEL).pti).toBe(false);
  });
});

describe('values', () => {
  it('reads sizes, rates and sysctls', () => {
    expect(resolve('mem=128M').memoryBytes).toBe(128 * 2 ** 20);
    expect(resolve('mem=64g').memoryBytes).toBe(MEMORY);
    expect(resolve('CONFIG_HZ=1000').hz).toBe(1000);
    expect(resolve('kernel.randomize_va_space=1').randomizeVaSpace).toBe(1);
    expect(resolve('norandmaps').randomizeVaSpace).toBe(0);
    expect(resolve('vdso=0').vdso).toBe(false);
    const knobs = 'kernel.sched_base_slice_ns=3000000 kernel.sched_rt_runtime_us=-1';
    expect(resolve(knobs).sched.knobs).toEqual({ baseSliceNs: 3e6, rtRuntimeNs: Infinity });
  });

  it("takes the board's CPUs unless told otherwise", () => {
    expect(resolve('').maxCpus).toBe(2);
    expect(resolve('maxcpus=8').maxCpus).toBe(8);
    expect(resolve('nosmp').maxCpus).toBe(1);
  });

  it('says where each value came from', () => {
    const { words } = resolve('pti=on');
    expect(words.find(({ word }) => word === 'pti')).toEqual({
      word: 'pti',
      value: 'on',
      from: 'command line',
    });
    expect(words.find(({ word }) => word === 'CONFIG_HZ')?.from).toBe('default');
  });
});

describe('mistakes are values', () => {
  it('an unknown word: place and suggestion', () => {
    expect(refuse('quiet ptii=on')).toMatchObject({
      word: 'ptii=on',
      position: 6,
      nearest: expect.arrayContaining(['pti']) as unknown,
    });
  });

  it('a real word that is not modelled says so', () => {
    expect(refuse('psi=1').message).toContain('not modelled');
  });

  it.each([
    'pti=maybe',
    'pti',
    'nopti=1',
    'mem=12',
    'mem=abc',
    'maxcpus=0',
    'CONFIG_HZ=60',
    'kernel.sched_base_slice_ns=1',
    'kernel.sched_latency_ns=much',
    'kernel.sched_rt_runtime_us=1000001',
    'clocksource=kvm-clock',
    'clocksource=jiffies',
  ])('%s', (word) => {
    expect(refuse(word)).toMatchObject({ kind: 'config-error', word, position: 0 });
  });

  it('a suggestion among the values', () => {
    expect(refuse('spectre_v2=retpolin').nearest).toEqual(['retpoline']);
  });
});

describe('the table', () => {
  it('has each word once, with a meaning', () => {
    const words = KERNEL_WORDS.map(({ word }) => word);
    expect(new Set(words).size).toBe(words.length);
    for (const { meaning, effect } of KERNEL_WORDS)
      expect(meaning.length * effect.length).toBeGreaterThan(0);
  });

  it('every word of it is accepted with its first value, unless refused as unmodelled', () => {
    for (const { word, values, support } of KERNEL_WORDS) {
      const free = word === 'mem' ? '128M' : word.startsWith('kernel.sched_') ? KNOB_VALUE : '1';
      const [first] = values.length === 0 ? [undefined] : values;
      const sample = first?.startsWith('<') === true ? free : first;
      const config = resolveConfig(sample === undefined ? word : `${word}=${sample}`, {
        features: ZEN,
        memoryBytes: MEMORY,
        cpus: 2,
      });
      expect('kind' in config, word).toBe(support === 'unmodelled');
    }
  });
});

/** What of the configuration each word may change. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  pti: ['pti'],
  nopti: ['pti'],
  nopcid: ['pcid'],
  mitigations: ['pti', 'spectreV2', 'srso'],
  spectre_v2: ['spectreV2'],
  nospectre_v2: ['spectreV2'],
  spec_rstack_overflow: ['srso'],
  mem: ['memoryBytes'],
  norandmaps: ['randomizeVaSpace'],
  'kernel.randomize_va_space': ['randomizeVaSpace'],
  vdso: ['vdso'],
  CONFIG_HZ: ['hz'],
  clocksource: ['clocksource'],
  tsc: ['clocksource'],
  nohpet: [],
  nohz: ['nohz'],
  idle: ['idlePoll'],
  sched: ['sched'],
  preempt: ['sched'],
  isolcpus: ['sched'],
  maxcpus: ['maxCpus'],
  nosmp: ['maxCpus'],
  seccomp: ['seccomp'],
  hugepagesz: [],
  la57: ['la57'],
  no5lvl: [],
  ...Object.fromEntries(
    KERNEL_WORDS.filter(({ word }) => word.startsWith('kernel.sched_')).map(({ word }) => [
      word,
      ['sched'],
    ]),
  ),
};
const FREE_VALUES: Readonly<Record<string, string>> = {
  mem: '128M',
  'vm.overcommit_ratio': '70',
};
/** A value that every knob of the scheduler takes. */
const KNOB_VALUE = '960000';

describe('a word changes what it is about, and nothing else', () => {
  const features = [...INTEL, 'srso', 'kvm_clock'];
  const plain = resolve('', features);
  const modelled = KERNEL_WORDS.filter(({ support }) => support === 'modelled');

  it.each(modelled.map(({ word, values }) => [word, values] as const))('%s', (word, values) => {
    const allowed = CHANGES[word] ?? ['memoryPolicy'];
    const changed = new Set<string>();
    for (const value of values.length === 0 ? [undefined] : values) {
      const free = FREE_VALUES[word] ?? (word.startsWith('kernel.sched_') ? KNOB_VALUE : '1');
      const given = value?.startsWith('<') === true ? free : value;
      const config = resolve(given === undefined ? word : `${word}=${given}`, features);
      for (const key of Object.keys(plain) as (keyof KernelConfig)[]) {
        if (key === 'words') continue;
        if (JSON.stringify(config[key]) !== JSON.stringify(plain[key])) changed.add(key);
      }
      const decided = config.words.filter(({ from }) => from === 'command line');
      expect(decided.every((entry) => entry.word === word)).toBe(true);
    }
    expect([...changed].filter((key) => !allowed.includes(key))).toEqual([]);
    expect(changed.size).toBeGreaterThanOrEqual(Math.min(allowed.length, 1));
  });
});
