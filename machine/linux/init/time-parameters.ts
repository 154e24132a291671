/**
 * The words about time: their table and their resolution, after Linux 6.1
 * Documentation/admin-guide/kernel-parameters.txt, arch/x86/kernel/tsc.c, kvmclock.c and
 * kernel/time/clocksource.c (the best-rated source is taken unless one is named).
 */
import type { ClocksourceName } from '../include/linux/timekeeper_internal.ts';
import { clocksourceRating } from '../kernel/time/clocksources.ts';
import { accepted, type KernelWord, unmodelled, word } from './kernel-word.ts';

export const TIME_WORDS: readonly KernelWord[] = [
  word('vdso', 'map the vDSO', ['0', '1'], '1', 'without it, clock functions are system calls'),
  word(
    'CONFIG_HZ',
    'timer interrupts per second',
    ['100', '250', '300', '1000'],
    '250',
    'period of the tick, grain of coarse clocks and of slices that end at a tick',
  ),
  word(
    'clocksource',
    'counter behind the clocks',
    ['tsc', 'hpet', 'acpi_pm', 'kvm-clock'],
    'the best: tsc, kvm-clock, hpet, acpi_pm',
    'what each reading of a clock costs and its grain; hpet and acpi_pm cannot be read in user mode: ' +
      'the functions of the vDSO make system calls',
  ),
  word(
    'tsc',
    'trust in the TSC',
    ['reliable', 'nowatchdog', 'unstable'],
    'trusted',
    'unstable: the TSC is no clocksource, the next best is; the other two: none, since CPUs with ' +
      'TSC_ADJUST, as on all boards, have no watchdog on it',
  ),
  word(
    'nohz',
    'stopping the tick of idle CPUs',
    ['on', 'off'],
    'on',
    'off: an idle CPU is woken for every tick',
  ),
  word(
    'idle',
    'what an idle CPU does',
    ['poll', 'halt', 'nomwait'],
    'halt',
    'poll: it looks for work all the time: no interrupt and no way out of a halt when it gets some; ' +
      'its tick goes on',
  ),
  word('nohpet', 'do not use the HPET', [], '', 'hpet is no clocksource'),
  accepted('nowatchdog', 'no lockup detectors', [], 'there are none'),
  unmodelled('nohz_full', 'CPUs without tick'),
  unmodelled('highres', 'high-resolution timers'),
  unmodelled('notsc', 'do not use the TSC'),
  unmodelled('lapic_timer', 'timer hardware'),
];

/** What the kernel does with time, once every word is resolved. */
export interface TimeConfig {
  readonly vdso: boolean;
  readonly hz: number;
  readonly clocksource: ClocksourceName;
  /** Whether idle CPUs stop their tick. */
  readonly nohz: boolean;
  readonly idlePoll: boolean;
}

/** Words as given, by name. */
type Given = ReadonlyMap<string, { readonly value: string | undefined }>;

const KINDS: readonly ClocksourceName[] = ['tsc', 'kvm-clock', 'hpet', 'acpi_pm'];

/** Whether the board and the other words leave a clocksource to be chosen; else why not. */
function missing(name: ClocksourceName, given: Given, features: readonly string[]): string | null {
  switch (name) {
    case 'tsc':
      if (!features.includes('constant_tsc')) return 'the board has no constant TSC';
      return given.get('tsc')?.value === 'unstable' ? 'tsc=unstable rules it out' : null;
    case 'kvm-clock':
      return features.includes('kvm_clock')
        ? null
        : 'the board is no virtual machine of KVM: it has none';
    case 'hpet':
      return given.has('nohpet') ? 'nohpet rules it out' : null;
    default:
      return null;
  }
}

/** Why the clocksource that was asked for cannot be had; null when it can. */
export function clocksourceProblem(given: Given, features: readonly string[]): string | null {
  const tsc = given.get('tsc')?.value;
  if (tsc !== undefined && !features.includes('constant_tsc')) {
    return tsc === 'unstable' ? null : 'the board has no constant TSC';
  }
  const name = given.get('clocksource')?.value as ClocksourceName | undefined;
  return name === undefined ? null : missing(name, given, features);
}

/** clocksource_select: the one that was asked for, or the best that there is. */
function resolveClocksource(given: Given, features: readonly string[]): ClocksourceName {
  const name = given.get('clocksource')?.value as ClocksourceName | undefined;
  if (name !== undefined) return name;
  const isStable = missing('tsc', given, features) === null;
  const usable = KINDS.filter((kind) => missing(kind, given, features) === null);
  return usable.reduce((best, kind) =>
    clocksourceRating(kind, isStable) > clocksourceRating(best, isStable) ? kind : best,
  );
}

export function resolveTime(given: Given, features: readonly string[]): TimeConfig {
  const value = (name: string): string | undefined => given.get(name)?.value;
  return {
    vdso: value('vdso') !== '0',
    hz: Number(value('CONFIG_HZ') ?? '250'),
    clocksource: resolveClocksource(given, features),
    nohz: value('nohz') !== 'off',
    idlePoll: value('idle') === 'poll',
  };
}

/** The resolved words, for the manifest. */
export function timeWords(time: TimeConfig): [string, string][] {
  return [
    ['CONFIG_HZ', String(time.hz)],
    ['vdso', time.vdso ? '1' : '0'],
    ['clocksource', time.clocksource],
    ['nohz', time.nohz ? 'on' : 'off'],
    ['idle', time.idlePoll ? 'poll' : 'halt'],
  ];
}
