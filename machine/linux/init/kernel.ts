/**
 * Ours, not Linux's: the running kernel as one object, for the functions of all subsystems. It only
 * gathers state; init/main.ts builds it, and each subsystem changes its own part.
 */
import type { Ledger } from '../../core/ledger/ledger.ts';
import type { Random } from '../../core/random.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import type { PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import type { Platform } from '../arch/x86/model/platform.ts';
import type { FileSystems } from '../fs/super.ts';
import type { Watch } from '../fs/notify/fsnotify.ts';
import type { Dentry, Inode } from '../include/linux/fs.ts';
import type { SpecialMapping } from '../include/linux/mm_types.ts';
import type { InterruptGate } from '../include/linux/interrupt.ts';
import type { Task } from '../include/linux/sched.ts';
import type { Timekeeper } from '../include/linux/timekeeper_internal.ts';
import type { BuddyAllocator } from '../mm/buddy.ts';
import type { PageSource } from '../mm/page_alloc.ts';
import type { KmemCaches } from '../mm/slab_common.ts';
import type { VmState } from '../mm/vm-state.ts';
import type { KernelStacks } from '../mm/vmalloc.ts';
import type { Tracepoints } from '../trace/tracepoints.ts';
import type { FutexTable } from '../kernel/futex/core.ts';
import type { Cgroups } from '../kernel/cgroup/cgroup.ts';
import type { PiState } from '../kernel/futex/pi.ts';
import type { PvClock } from '../kernel/time/pvclock.ts';
import type { RcuState } from '../kernel/rcu/tree.ts';
import type { SchedState } from '../kernel/sched/entities.ts';
import type { Rq } from '../kernel/sched/sched.ts';
import type { PidNamespace } from '../kernel/pid.ts';
import type { KernelConfig } from './config.ts';

/** A process killed by a signal, with what a user needs to find out why. */
export interface FatalSignal {
  readonly signal: number;
  readonly name: string;
  /** Faulting address of SIGSEGV and SIGBUS; rip for the others. */
  readonly address: bigint;
  readonly rip: bigint;
  /** Up to 15 bytes of code at rip, where it can be read. */
  readonly code: Uint8Array;
  readonly reason: string;
}

/** The vDSO's place in guest memory. */
export interface VdsoMapping {
  /** The image's pages. */
  readonly text: SpecialMapping;
  /** The data pages below it. */
  readonly data: SpecialMapping;
  /** Physical address of the first data page, which the timekeeper writes. */
  readonly dataPhysical: number;
  readonly symbols: readonly {
    readonly name: string;
    readonly offset: number;
    readonly size: number;
  }[];
}

export interface Kernel extends PageSource {
  readonly config: KernelConfig;
  readonly platform: Platform;
  readonly memory: PhysicalMemory;
  readonly buddy: BuddyAllocator;
  readonly caches: KmemCaches;
  readonly vm: VmState;
  readonly stacks: KernelStacks;
  readonly ledger: Ledger;
  readonly rqs: readonly Rq[];
  readonly sched: SchedState;
  readonly futexes: FutexTable;
  readonly futexPi: PiState;
  /** The hierarchy of control groups. */
  readonly cgroups: Cgroups;
  /** arch/x86/kernel/irq.ts: one interrupt on the CPU that runs, with what its handler does. */
  readonly interrupt: (kernel: Kernel, gate: InterruptGate, handler: () => void) => void;
  readonly coreMHz: number;
  readonly trace: Tracepoints;
  readonly timekeeper: Timekeeper;
  /** Who watches which inodes; and the number of the last rename that was told of. */
  readonly watches: Map<Inode, Watch[]>;
  renameCookie: number;
  readonly rcu: RcuState;
  /** What sethostname and setdomainname change. */
  readonly uts: { nodename: string; domainname: string };
  readonly vdso: VdsoMapping | null;
  /** What KVM shares of the time, where it is the clocksource. */
  readonly pvclock: PvClock | null;
  /** The CPU whose kernel code runs; the run loop changes it. */
  cpu: KernelCpu;
  /** The task that runs on it. */
  current: Task;
  readonly tasks: Task[];
  /** The task that orphans go to. It reaps at once: its SIGCHLD is ignored. */
  readonly init: Task;
  readonly fileSystems: FileSystems;
  /** The root directory. */
  readonly root: Dentry;
  /** Output of the guest on descriptors 1 and 2. */
  readonly console: (sink: 1 | 2, bytes: Uint8Array) => void;
  readonly warnings: string[];
  readonly warned: Set<string>;
  readonly randomLayout: Random;
  readonly randomBytes: Random;
  /** Physical address of the shared page of zeros. */
  readonly zeroPage: number;
  /** Physical address of the kernel's own top page table. */
  readonly swapperPgd: number;
  /** What CR3 points to without an address space. */
  readonly swapperTop: number;
  nextAsid: number;
  fatalSignal: FatalSignal | null;
  /** Software events so far, under perf's names. */
  readonly counts: SoftwareCounts;
  /** Tasks that have been released, in that order. */
  readonly released: ReleasedTask[];
  /** Numbers of tasks, groups and sessions. */
  readonly pids: PidNamespace;
  /** Entries of signal queues in use, which RLIMIT_SIGPENDING limits. */
  queuedSignals: number;
  /** The task of the program that the run is about; null before it starts. */
  target: Task | null;
  /** The target has ended: the run is over. */
  ended: boolean;
}

/** What perf counts as software events. */
export interface SoftwareCounts {
  /** Faults from user mode, answered or not. */
  pageFaults: number;
  /** Switches away from a task that is not idle. */
  contextSwitches: number;
  cpuMigrations: number;
}

/** What is remembered of a task that is gone. */
export type ReleasedTask = Pick<Task, 'pid' | 'tgid' | 'comm' | 'startTick' | 'exitTick'> & {
  readonly parentPid: number;
};

/** Says something about the run once. */
export function warnOnce(kernel: Kernel, key: string, message: string): void {
  if (kernel.warned.has(key)) return;
  kernel.warned.add(key);
  kernel.warnings.push(message);
}
