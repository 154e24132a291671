/**
 * Reading the command line and resolving it against the board, after Linux 6.1 kernel/params.c and
 * the defaults of arch/x86/kernel/cpu/bugs.c and arch/x86/mm/pti.c. A mistake is a value.
 */
import { nearestWords } from '../../core/nearest-words.ts';
import type { KernelConfig, ResolvedWord, SpectreV2 } from './config.ts';
import { memoryWords, resolveMemoryPolicy } from './memory-parameters.ts';
import { KERNEL_WORDS } from './kernel-parameters.ts';
import type { KernelWord } from './kernel-word.ts';
import { knobProblem, resolveSched, schedWords } from './sched-parameters.ts';
import { clocksourceProblem, resolveTime, timeWords } from './time-parameters.ts';

/** A word that cannot be used. */
export interface ConfigError {
  readonly kind: 'config-error';
  readonly word: string;
  /** Characters before the word on the command line. */
  readonly position: number;
  /** Known words or values that may be meant, nearest first. */
  readonly nearest: readonly string[];
  readonly message: string;
}

/** What of the board decides defaults. */
export interface BoardFacts {
  readonly features: readonly string[];
  readonly memoryBytes: number;
  readonly cpus: number;
}

interface GivenWord {
  readonly key: string;
  readonly value: string | undefined;
  readonly text: string;
  readonly position: number;
}

const BY_WORD = new Map(KERNEL_WORDS.map((entry) => [entry.word, entry]));
const MEMORY_BYTES_MIN = 64 * 2 ** 20;

function split(commandLine: string): GivenWord[] {
  return [...commandLine.matchAll(/\S+/g)].map((match) => {
    const [text] = match;
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    // Linux takes - and _ for the same; sysctl and Kconfig names are exact.
    const exact = key.includes('.') || key.startsWith('CONFIG_');
    return {
      key: exact ? key : key.replaceAll('-', '_'),
      value: equals < 0 ? undefined : text.slice(equals + 1),
      text,
      position: match.index,
    };
  });
}

function errorAt(given: GivenWord, message: string, nearest: readonly string[] = []): ConfigError {
  const { text, position } = given;
  const hint = nearest.length === 0 ? '' : `; did you mean ${nearest.join(' or ')}?`;
  return {
    kind: 'config-error',
    word: text,
    position,
    nearest,
    message: `kernel word "${text}" at position ${position + 1}: ${message}${hint}`,
  };
}

/** Checks one word against the table. Returns its entry. */
function check(given: GivenWord): KernelWord | ConfigError {
  const entry = BY_WORD.get(given.key);
  if (entry === undefined)
    return errorAt(given, 'unknown', nearestWords(given.key, BY_WORD.keys()));
  if (entry.support === 'unmodelled') {
    return errorAt(given, `Linux knows it (${entry.meaning}), but it is not modelled`);
  }
  const { value } = given;
  const { values } = entry;
  if (values.length === 0) {
    return value === undefined ? entry : errorAt(given, 'takes no value');
  }
  if (value === undefined) return errorAt(given, `needs a value: ${values.join(', ')}`);
  const free = values[0].startsWith('<');
  if (!free && !values.includes(value)) {
    return errorAt(
      given,
      `the value must be one of ${values.join(', ')}`,
      nearestWords(value, values, 1),
    );
  }
  return entry;
}

/** CPUs that a machine can have. */
const CPUS_MAX = 64;

/** Reads a number with an optional K, M or G; NaN for anything else. */
function memoryParse(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(text);
  if (match === null) return NaN;
  const scale = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[match[2].toLowerCase()] ?? NaN;
  return Number(match[1]) * scale;
}

/** The resolved configuration, or the first word that is wrong. */
export function resolveConfig(commandLine: string, board: BoardFacts): KernelConfig | ConfigError {
  const given = new Map<string, GivenWord>();
  for (const entry of split(commandLine)) {
    const checked = check(entry);
    if ('kind' in checked) return checked;
    given.set(entry.key, entry);
  }
  const memory = resolveMemory(given.get('mem'), board);
  if (typeof memory === 'object') return memory;
  const cpus = given.get('maxcpus');
  if (cpus?.value !== undefined && !(/^\d+$/.test(cpus.value) && inRange(Number(cpus.value)))) {
    return errorAt(cpus, `the value must be a number from 1 to ${CPUS_MAX}`);
  }
  const problem = clocksourceProblem(given, board.features);
  const source = given.get('clocksource') ?? given.get('tsc');
  if (problem !== null && source !== undefined) return errorAt(source, problem);
  const knob = knobProblem(given);
  const wrong = knob === null ? undefined : given.get(knob.word);
  if (knob !== null && wrong !== undefined) return errorAt(wrong, knob.problem);
  return assemble(given, board, memory);
}

function resolveMemory(mem: GivenWord | undefined, board: BoardFacts): number | ConfigError {
  if (mem?.value === undefined) return board.memoryBytes;
  const bytes = memoryParse(mem.value);
  if (!(bytes >= MEMORY_BYTES_MIN))
    return errorAt(mem, 'the value must be at least 64M, as in mem=512M');
  return Math.min(Math.floor(bytes / 4096) * 4096, board.memoryBytes);
}

const inRange = (cpus: number): boolean => cpus >= 1 && cpus <= CPUS_MAX;

type Given = ReadonlyMap<string, GivenWord>;

function resolvePti(given: Given, board: BoardFacts, mitigations: boolean): boolean {
  const value = given.has('nopti') ? 'off' : (given.get('pti')?.value ?? 'auto');
  if (value !== 'auto') return value === 'on';
  return mitigations && board.features.includes('meltdown');
}

function resolveSpectreV2(given: Given, board: BoardFacts, mitigations: boolean): SpectreV2 {
  const value = given.has('nospectre_v2') ? 'off' : (given.get('spectre_v2')?.value ?? 'auto');
  if (value === 'off') return 'off';
  if (value === 'eibrs') return 'eibrs';
  if (value.includes('retpoline')) return value.includes('eibrs') ? 'eibrs,retpoline' : 'retpoline';
  if (value === 'auto' && !mitigations) return 'off';
  if (board.features.includes('eibrs') || board.features.includes('autoibrs')) return 'eibrs';
  const affected = value === 'on' || board.features.includes('retpoline');
  return affected ? 'retpoline' : 'off';
}

function resolveSrso(given: Given, board: BoardFacts, mitigations: boolean): boolean {
  if (!board.features.includes('srso')) return false;
  const value = given.get('spec_rstack_overflow')?.value;
  return value === undefined ? mitigations : value === 'safe-ret';
}

/** CONFIG_X86_5LEVEL is on: what the CPU has is used. */
function hasFiveLevels(given: Given, { features }: BoardFacts): boolean {
  return (given.has('la57') || features.includes('la57')) && !given.has('no5lvl');
}

function assemble(given: Given, board: BoardFacts, memoryBytes: number): KernelConfig {
  const mitigations = given.get('mitigations')?.value !== 'off';
  const pti = resolvePti(given, board, mitigations);
  const spectreV2 = resolveSpectreV2(given, board, mitigations);
  const srso = resolveSrso(given, board, mitigations);
  const pcid = board.features.includes('pcid') && !given.has('nopcid');
  const random = given.has('norandmaps')
    ? '0'
    : (given.get('kernel.randomize_va_space')?.value ?? '2');
  const time = resolveTime(given, board.features);
  const memoryPolicy = resolveMemoryPolicy(given);
  const maxCpus = given.has('nosmp') ? 1 : Number(given.get('maxcpus')?.value ?? board.cpus);
  const decided: [string, string][] = [
    ['pti', pti ? 'on' : 'off'],
    ['pcid', pcid ? 'on' : 'off'],
    ['spectre_v2', spectreV2],
    ['spec_rstack_overflow', srso ? 'safe-ret' : 'off'],
    ['kernel.randomize_va_space', random],
    ...schedWords(given),
    ...timeWords(time),
    ['la57', hasFiveLevels(given, board) ? 'on' : 'off'],
    ['seccomp', given.get('seccomp')?.value ?? 'off'],
    ['mem', String(memoryBytes)],
    ['maxcpus', String(maxCpus)],
    ...memoryWords(memoryPolicy),
  ];
  const words: ResolvedWord[] = decided.map(([name, value]) => ({
    word: name,
    value,
    from: given.has(name) ? 'command line' : 'default',
  }));
  return {
    pti,
    pcid,
    spectreV2,
    srso,
    randomizeVaSpace: random === '0' ? 0 : random === '1' ? 1 : 2,
    ...time,
    sched: resolveSched(given),
    la57: hasFiveLevels(given, board),
    seccomp: given.get('seccomp')?.value === 'on',
    memoryBytes,
    memoryPolicy,
    maxCpus,
    words,
  };
}
