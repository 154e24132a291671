/**
 * The words that configure the kernel, after Linux 6.1 Documentation/admin-guide/kernel-parameters.txt,
 * lib/Kconfig and admin-guide/sysctl: command-line words, CONFIG_ options, sysctls. `modelled` words
 * change the model; `accepted` ones are taken because the model always behaves that way or the
 * difference is invisible; `unmodelled` ones exist in Linux and are refused with that explanation.
 */

import { MEMORY_POLICY_WORDS } from './memory-parameters.ts';

export type Support = 'modelled' | 'accepted' | 'unmodelled';

export interface KernelWord {
  readonly word: string;
  readonly meaning: string;
  /** Every value it takes; `<...>` names a kind of value; empty for a word without value. */
  readonly values: readonly string[];
  readonly default: string;
  readonly effect: string;
  readonly support: Support;
}

function word(
  name: string,
  meaning: string,
  values: readonly string[],
  fallback: string,
  effect: string,
): KernelWord {
  return { word: name, meaning, values, default: fallback, effect, support: 'modelled' };
}

const accepted = (
  name: string,
  meaning: string,
  values: readonly string[],
  effect: string,
): KernelWord => ({
  word: name,
  meaning,
  values,
  default: '',
  effect,
  support: 'accepted',
});

const unmodelled = (name: string, meaning: string): KernelWord => ({
  word: name,
  meaning,
  values: [],
  default: '',
  effect: 'none: refused',
  support: 'unmodelled',
});

const ON_OFF = ['on', 'off'] as const;

const MITIGATIONS: readonly KernelWord[] = [
  word(
    'pti',
    'page table isolation against Meltdown',
    [...ON_OFF, 'auto'],
    'auto: on where the CPU has Meltdown',
    'two top page tables; every entry and exit writes CR3; kernel pages are not global',
  ),
  word('nopti', 'same as pti=off', [], '', 'see pti'),
  word(
    'nopcid',
    'do not use process-context identifiers',
    [],
    'PCIDs where the CPU has them',
    'every CR3 write drops the TLB',
  ),
  word(
    'mitigations',
    'all CPU mitigations at once',
    ['auto', 'auto,nosmt', 'off'],
    'auto',
    'off: pti, spectre_v2 and spec_rstack_overflow default to off',
  ),
  word(
    'spectre_v2',
    'branch target injection',
    [
      'on',
      'off',
      'auto',
      'retpoline',
      'retpoline,generic',
      'retpoline,amd',
      'retpoline,lfence',
      'eibrs',
      'eibrs,retpoline',
    ],
    'auto: retpoline or eibrs, as the CPU needs',
    'retpolines: every indirect call of the kernel costs more',
  ),
  word('nospectre_v2', 'same as spectre_v2=off', [], '', 'see spectre_v2'),
  word(
    'spec_rstack_overflow',
    'speculative return stack overflow of AMD Zen',
    ['off', 'microcode', 'safe-ret', 'ibpb', 'ibpb-vmexit'],
    'safe-ret where the CPU has SRSO',
    'safe-ret: every return of the kernel goes through a thunk',
  ),
  accepted('nospectre_v1', 'no spectre v1 barriers', [], 'the barriers cost nothing in the model'),
  accepted(
    'retbleed',
    'return instructions',
    ['off', 'auto', 'unret', 'ibpb'],
    'safe-ret covers it',
  ),
  accepted(
    'spec_store_bypass_disable',
    'speculative store bypass',
    ['on', 'off', 'auto', 'prctl'],
    'only processes that ask pay',
  ),
  accepted(
    'mds',
    'microarchitectural data sampling',
    ['off', 'full', 'full,nosmt'],
    'no board has it',
  ),
  accepted(
    'tsx_async_abort',
    'TSX asynchronous abort',
    ['off', 'full', 'full,nosmt'],
    'no board has it',
  ),
  accepted('l1tf', 'L1 terminal fault', ['off', 'flush', 'full'], 'only hypervisors pay'),
];

const MEMORY: readonly KernelWord[] = [
  ...MEMORY_POLICY_WORDS,
  word(
    'mem',
    'memory that the kernel uses',
    ['<bytes, K, M or G>'],
    'all of the board',
    'frames beyond are never handed out',
  ),
  word(
    'norandmaps',
    'same as kernel.randomize_va_space=0',
    [],
    '',
    'no address space randomisation',
  ),
  word(
    'kernel.randomize_va_space',
    'address space randomisation: 0 none, 1 without the heap, 2 all',
    ['0', '1', '2'],
    '2',
    'where stack, mappings, vDSO and heap lie; from the seed',
  ),
  accepted('nokaslr', 'kernel at its linked address', [], 'the kernel is never moved'),
  unmodelled('la57', 'five-level page tables'),
  unmodelled('numa', 'NUMA'),
  unmodelled('numa_balancing', 'automatic NUMA balancing'),
  unmodelled('swapaccount', 'swap accounting'),
  unmodelled('init_on_free', 'zero pages and objects when freed'),
  unmodelled('slub_debug', 'slab debugging'),
  unmodelled('vm.swappiness', 'reclaim balance'),
];

const TIME: readonly KernelWord[] = [
  word('vdso', 'map the vDSO', ['0', '1'], '1', 'without it, clock functions are system calls'),
  word(
    'CONFIG_HZ',
    'timer interrupts per second',
    ['100', '250', '300', '1000'],
    '250',
    'period of the tick',
  ),
  word(
    'clocksource',
    'counter behind the clocks',
    ['tsc'],
    'tsc where the CPU has a constant one',
    'hpet, acpi_pm and kvm-clock are not modelled yet',
  ),
  word(
    'tsc',
    'trust in the TSC',
    ['reliable', 'nowatchdog'],
    '',
    'the TSC is used without a watchdog',
  ),
  accepted('nowatchdog', 'no lockup detectors', [], 'there are none'),
  accepted('nohpet', 'do not use the HPET', [], 'it is never used'),
  unmodelled('nohz', 'stopping the idle tick'),
  unmodelled('nohz_full', 'CPUs without tick'),
  unmodelled('highres', 'high-resolution timers'),
  unmodelled('notsc', 'do not use the TSC'),
  unmodelled('lapic_timer', 'timer hardware'),
];

const SCHEDULING: readonly KernelWord[] = [
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
  unmodelled('threadirqs', 'threaded interrupts'),
  unmodelled('rcu_nocbs', 'offloaded RCU callbacks'),
  unmodelled('idle', 'idle loop'),
  unmodelled('nosmt', 'no simultaneous multithreading'),
  unmodelled('sched_verbose', 'scheduler messages'),
  unmodelled('cgroup_disable', 'control groups'),
  unmodelled('psi', 'pressure stall information'),
  unmodelled('audit', 'auditing'),
  unmodelled('kernel.sched_base_slice_ns', 'slice of EEVDF'),
  unmodelled('kernel.sched_latency_ns', 'latency target of CFS'),
  unmodelled('kernel.sched_autogroup_enabled', 'autogroups'),
];

const CONSOLE: readonly KernelWord[] = [
  accepted('quiet', 'fewer messages', [], 'there is no log'),
  accepted('console', 'console device', ['<device>'], 'there is no log'),
  accepted('loglevel', 'messages shown', ['<number>'], 'there is no log'),
  accepted(
    'panic',
    'seconds before a reboot after a panic',
    ['<number>'],
    'the kernel does not panic',
  ),
  accepted('ro', 'root read-only', [], 'the root is read-only'),
  unmodelled('root', 'root device'),
  unmodelled('init', 'first program'),
];

/** Every word the kernel knows, by subject. */
export const KERNEL_WORDS: readonly KernelWord[] = [
  ...MITIGATIONS,
  ...MEMORY,
  ...TIME,
  ...SCHEDULING,
  ...CONSOLE,
];
