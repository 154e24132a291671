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
    'clocksource=hpet',
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
      const free = word === 'mem' ? '128M' : '1';
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
