/**
 * The words about scheduling: their table and their resolution, after Linux 6.1
 * Documentation/admin-guide/kernel-parameters.txt and sysctl/kernel.rst. The knobs of the fair classes
 * were sysctls until 5.13 and are files of debugfs since; the words are the sysctls'.
 */
import type { SchedSettings } from '../kernel/sched/entities.ts';
import { accepted, type KernelWord, unmodelled, word } from './kernel-word.ts';

type Knob = keyof {
  [K in keyof SchedSettings as SchedSettings[K] extends number ? K : never]: true;
};

interface KnobWord {
  readonly word: string;
  readonly knob: Knob;
  /** Nanoseconds of one unit of the word. */
  readonly unitNs: number;
  /** Values that Linux takes. */
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
  readonly default: string;
  readonly effect: string;
}

const GRANULARITY = { unitNs: 1, min: 100_000, max: 1_000_000_000 } as const;

const KNOBS: readonly KnobWord[] = [
  {
    word: 'kernel.sched_base_slice_ns',
    knob: 'baseSliceNs',
    ...GRANULARITY,
    meaning: 'slice of EEVDF',
    default: '700000 x (1 + log2 CPUs)',
    effect: 'how long a task runs before another with the same claim, with sched=eevdf',
  },
  {
    word: 'kernel.sched_latency_ns',
    knob: 'latencyNs',
    ...GRANULARITY,
    meaning: 'latency target of CFS',
    default: '6000000 x (1 + log2 CPUs)',
    effect: 'time in which every task runs once, with sched=cfs',
  },
  {
    word: 'kernel.sched_min_granularity_ns',
    knob: 'minGranularityNs',
    ...GRANULARITY,
    meaning: 'shortest slice of CFS',
    default: '750000 x (1 + log2 CPUs)',
    effect: 'slices are not cut below it when there are many tasks, with sched=cfs',
  },
  {
    word: 'kernel.sched_wakeup_granularity_ns',
    knob: 'wakeupGranularityNs',
    unitNs: 1,
    min: 0,
    max: 1_000_000_000,
    meaning: 'lead that a woken task needs to preempt under CFS',
    default: '1000000 x (1 + log2 CPUs)',
    effect: 'which wake-ups preempt, with sched=cfs',
  },
  {
    word: 'kernel.sched_migration_cost_ns',
    knob: 'migrationCostNs',
    unitNs: 1,
    min: 0,
    max: 1_000_000_000,
    meaning: 'a task that ran so recently is taken to be hot in its cache',
    default: '500000',
    effect: 'which tasks load balancing moves, and whether a CPU that becomes idle looks for work',
  },
  {
    word: 'kernel.sched_cfs_bandwidth_slice_us',
    knob: 'bandwidthSliceNs',
    unitNs: 1000,
    min: 1,
    max: 1_000_000,
    meaning: 'quota that a CPU takes from its group at a time',
    default: '5000',
    effect: 'how finely cpu.max is enforced',
  },
  {
    word: 'kernel.sched_rr_timeslice_ms',
    knob: 'rrTimesliceNs',
    unitNs: 1_000_000,
    min: 1,
    max: 1_000_000,
    meaning: 'slice of SCHED_RR',
    default: '100',
    effect: 'when tasks of one real-time priority take turns',
  },
  {
    word: 'kernel.sched_rt_period_us',
    knob: 'rtPeriodNs',
    unitNs: 1000,
    min: 1,
    max: 1_000_000_000,
    meaning: 'period of real-time throttling',
    default: '1000000',
    effect: 'how often real-time tasks get their runtime, and how much deadlines may claim',
  },
  {
    word: 'kernel.sched_rt_runtime_us',
    knob: 'rtRuntimeNs',
    unitNs: 1000,
    min: -1,
    max: 1_000_000_000,
    meaning: 'what real-time tasks may use of a period; -1: all',
    default: '950000',
    effect: 'when real-time tasks are throttled, and how much deadlines may claim',
  },
];

export const SCHED_WORDS: readonly KernelWord[] = [
  word(
    'sched',
    "the fair scheduler: Linux's of 6.6 on, or of 6.1 (a word of this model)",
    ['eevdf', 'cfs'],
    'eevdf',
    'which task runs next, for how long, and which wake-ups preempt',
  ),
  word(
    'preempt',
    'preemption of the kernel',
    ['none', 'voluntary', 'full', 'lazy'],
    'none',
    'lazy: fair tasks are preempted at the tick; the model switches on the way to user mode only',
  ),
  word(
    'isolcpus',
    'CPUs outside load balancing and wake-up placement',
    ['<list of CPUs, such as 1,3-5>'],
    'none',
    'tasks run there only if their affinity says so',
  ),
  word(
    'maxcpus',
    'CPUs that are brought up',
    ['<number>'],
    "the board's",
    'the machine has so many CPUs, up to 64',
  ),
  word('nosmp', 'one CPU', [], 'off', 'the same as maxcpus=1'),
  ...KNOBS.map((knob) => word(knob.word, knob.meaning, ['<number>'], knob.default, knob.effect)),
  accepted('kernel.sched_autogroup_enabled', 'autogroups', ['0'], 'there are none'),
  accepted('noautogroup', 'no autogroups', [], 'there are none'),
  unmodelled('threadirqs', 'threaded interrupts'),
  unmodelled('rcu_nocbs', 'offloaded RCU callbacks'),
  unmodelled('nosmt', 'no simultaneous multithreading'),
  unmodelled('sched_verbose', 'scheduler messages'),
  unmodelled('cgroup_disable', 'control groups'),
  unmodelled('psi', 'pressure stall information'),
  unmodelled('audit', 'auditing'),
];

/** What the command line says about scheduling. */
export interface SchedConfig {
  readonly fair: 'eevdf' | 'cfs';
  readonly preempt: 'none' | 'voluntary' | 'full' | 'lazy';
  /** CPUs outside load balancing, a bit each. */
  readonly isolated: number;
  /** Settings that are not Linux's defaults. */
  readonly knobs: Readonly<Partial<Record<Knob, number>>>;
}

/** Words as given, by name. */
type Given = ReadonlyMap<string, { readonly value: string | undefined }>;

const isInteger = (text: string): boolean => /^-?\d{1,12}$/.test(text);

/** What is wrong with the value of a knob; null when nothing is. */
export function knobProblem(given: Given): { word: string; problem: string } | null {
  for (const { word: name, min, max } of KNOBS) {
    const value = given.get(name)?.value;
    if (value === undefined) continue;
    if (isInteger(value) && Number(value) >= min && Number(value) <= max) continue;
    return { word: name, problem: `the value must be a number from ${min} to ${max}` };
  }
  const runtime = Number(given.get('kernel.sched_rt_runtime_us')?.value ?? 950_000);
  if (runtime > Number(given.get('kernel.sched_rt_period_us')?.value ?? 1_000_000)) {
    const name = given.has('kernel.sched_rt_runtime_us') ? 'runtime' : 'period';
    return { word: `kernel.sched_rt_${name}_us`, problem: 'the runtime is longer than the period' };
  }
  return null;
}

function resolveKnobs(given: Given): SchedConfig['knobs'] {
  const knobs: Partial<Record<Knob, number>> = {};
  for (const { word: name, knob, unitNs } of KNOBS) {
    const value = given.get(name)?.value;
    if (value === undefined) continue;
    // Only the runtime of real-time tasks may be -1: no limit.
    knobs[knob] = Number(value) < 0 ? Infinity : Number(value) * unitNs;
  }
  return knobs;
}

export function resolveSched(given: Given): SchedConfig {
  return {
    fair: given.get('sched')?.value === 'cfs' ? 'cfs' : 'eevdf',
    preempt: (given.get('preempt')?.value ?? 'none') as SchedConfig['preempt'],
    isolated: cpuMask(given.get('isolcpus')?.value ?? ''),
    knobs: resolveKnobs(given),
  };
}

/** A CPU list such as 1,3-5 as a mask; flags before it (domain, nohz ...) are skipped. */
function cpuMask(list: string): number {
  let mask = 0;
  for (const [, first, last] of list.matchAll(/(?:^|,)(\d+)(?:-(\d+))?/g)) {
    for (let cpu = Number(first); cpu <= Number(last ?? first); cpu++) mask |= 1 << cpu;
  }
  return mask;
}

/** The resolved words, for the manifest: knobs only where they are given. */
export function schedWords(given: Given): [string, string][] {
  const { fair, preempt } = resolveSched(given);
  const knobs = KNOBS.flatMap(({ word: name }): [string, string][] => {
    const value = given.get(name)?.value;
    return value === undefined ? [] : [[name, value]];
  });
  return [['sched', fair], ['preempt', preempt], ...knobs];
}
