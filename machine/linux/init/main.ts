/**
 * Starting and running the kernel, after Linux 6.1 init/main.c (start_kernel) and, for the loop
 * around user mode, the hardware's side of it. Tasks: a swapper (0) for each CPU, init (1) and the
 * target, its child.
 */
import { assert, MachineBug } from '../../core/assert.ts';
import type { ElfError } from '../../core/elf/elf-file.ts';
import { Context } from '../../core/ledger/context.ts';
import type { Ledger } from '../../core/ledger/ledger.ts';
import type { SymbolTable } from '../../core/ledger/symbols.ts';
import { Random } from '../../core/random.ts';
import { EventTable, type TraceSink } from '../../core/trace/event-table.ts';
import type { Ticks } from '../../core/units.ts';
import { initVdso } from '../arch/x86/entry/vdso/vma.ts';
import { type BootMemory, setupMemory } from '../arch/x86/kernel/setup.ts';
import { interrupt } from '../arch/x86/kernel/irq.ts';
import { readTsc } from '../arch/x86/kernel/tsc.ts';
import { loadUserSpace } from '../arch/x86/mm/tlbflush.ts';
import { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { KernelText } from '../arch/x86/model/kernel-text.ts';
import { type KernelCycles, KernelTicks } from '../arch/x86/model/kernel-ticks.ts';
import { PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { runCpus } from '../arch/x86/model/run-loop.ts';
import type { Platform } from '../arch/x86/model/platform.ts';
import type { ExecError, ExecRequest } from '../fs/exec-errors.ts';
import { execve } from '../fs/exec.ts';
import { openStandardFiles } from '../fs/standard-files.ts';
import { createFileSystems } from '../fs/super.ts';
import type { Dentry } from '../include/linux/fs.ts';
import type { Task } from '../include/linux/sched.ts';
import { createTask, type TaskSource } from '../kernel/task.ts';
import { Cgroups } from '../kernel/cgroup/cgroup.ts';
import { PiState } from '../kernel/futex/pi.ts';
import { FutexTable } from '../kernel/futex/core.ts';
import {
  createRunQueue,
  createSchedState,
  type KernelHolder,
  schedReady,
} from '../kernel/sched/boot.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { keepsTick } from '../kernel/sched/idle.ts';
import { ALLOW_ALL, attachFilter } from '../kernel/seccomp-syscalls.ts';
import { startFirstTask } from '../kernel/sched/core.ts';
import { Sig, SIG_IGN } from '../include/uapi/asm-generic/signal.ts';
import { createRcu } from '../kernel/rcu/tree.ts';
import { traceContention } from '../trace/contention.ts';
import { UTS_NAME } from '../kernel/sys.ts';
import { PidNamespace, startGroup, startSession } from '../kernel/pid.ts';
import type { Timekeeper } from '../include/linux/timekeeper_internal.ts';
import { clocksourceHz, readClocksource } from '../kernel/time/clocksources.ts';
import { createPvClock, type PvClock } from '../kernel/time/pvclock.ts';
import { startTick } from '../kernel/time/tick-sched.ts';
import { createTimekeeper, publish } from '../kernel/time/timekeeping.ts';
import { KernelStacks } from '../mm/vmalloc.ts';
import { fillHugePool } from '../mm/hugetlb.ts';
import { checkMemoryInvariants } from '../mm/debug.ts';
import { KmemCaches } from '../mm/slab_common.ts';
import { VmState } from '../mm/vm-state.ts';
import {
  IRQ_HANDLER,
  PAGE_FAULT_USER,
  SCHED_PROCESS_EXEC,
  SCHED_PROCESS_EXIT,
  SCHED_PROCESS_FORK,
  SCHED_PROCESS_WAIT,
  SIGNAL_DELIVER,
  SIGNAL_GENERATE,
  SYSCALLS,
  TLB_FLUSH,
} from '../trace/specs.ts';
import {
  FUTEX,
  SCHED_MIGRATE_TASK,
  SCHED_STAT_RUNTIME,
  SCHED_SWITCH,
  SCHED_WAKEUP,
  SCHED_WAKING,
} from '../trace/sched-specs.ts';
import { POINT_TABLES } from '../trace/points-specs.ts';
import type { Tracepoints } from '../trace/tracepoints.ts';
import type { TableSpec } from '../../core/trace/event-table.ts';
import type { KernelConfig } from './config.ts';
import { createRoot, populateRoot, type RootFile } from './initramfs.ts';
import type { FatalSignal, Kernel, VdsoMapping } from './kernel.ts';

/** Wall clock at the start of a run unless the experiment says otherwise: 2026-01-01 00:00 UTC. */
const WALL_NS_DEFAULT = 1_767_225_600_000_000_000n;
const TARGET_PID = 100;

export interface KernelOptions {
  readonly platform: Platform;
  readonly config: KernelConfig;
  /** The board's figures. */
  readonly costs: KernelCycles;
  readonly coreMHz: number;
  readonly tscMHz: number;
  readonly features: readonly string[];
  readonly ledger: Ledger;
  readonly symbols: SymbolTable;
  readonly seed: number;
  readonly wallNs?: bigint;
  /** What the root file system holds beside Linux's own. */
  readonly files?: readonly RootFile[];
  readonly trace: TraceSink;
  /** Names of the tables to record. */
  readonly events: ReadonlySet<string>;
  /** Output of the guest on descriptors 1 and 2. The bytes are valid during the call only. */
  readonly onConsole: (sink: 1 | 2, bytes: Uint8Array) => void;
  /**
   * A marker instruction was executed. Kernel time is settled and user time harvested, so that a
   * ledger window may be closed at the CPUs' clocks.
   */
  readonly onMarker: (marker: number) => void;
  /** Setting up is over: what happens from here on belongs to the run. */
  readonly onStart?: (() => void) | undefined;
}

/** A booted kernel with one program to run. */
export interface RunningKernel {
  readonly kernel: Kernel;
  /** Starts the program as a child of init; an error names what is wrong with it. */
  exec(request: ExecRequest): ElfError | ExecError | null;
  /** Runs until the program has ended. Everything is settled and harvested afterwards. */
  run(): ProgramEnd;
  /** Clock of each CPU. */
  clocks(): Ticks[];
}

export interface ProgramEnd {
  /** Exit code, or 128 + signal. */
  readonly status: number;
  readonly signal: FatalSignal | null;
  /** It sleeps for ever: no event is left that could wake any task. */
  readonly stuck: boolean;
}

/** start_kernel: memory, page tables, tasks, time, the vDSO. */
export function startKernel(options: KernelOptions): RunningKernel {
  const { kernel, init } = boot(options);
  return {
    kernel,
    exec: (request) => startTarget(kernel, init, request, options.onStart),
    run: () => {
      runCpus(kernel, options.onMarker);
      for (const { cpu } of kernel.rqs) cpu.settle();
      options.platform.harvestUser();
      finishTrace(kernel.trace);
      checkMemoryInvariants(kernel);
      const { target } = kernel;
      const process = target?.signal;
      const grouped = process?.groupExit === true ? process.groupExitCode : null;
      const exitCode = grouped ?? target?.exitCode ?? 0;
      const stuck = !kernel.ended;
      const signal = stuck ? Sig.KILL : exitCode & 0x7f;
      const status = signal === 0 ? exitCode >>> 8 : 128 + signal;
      return { status, signal: kernel.fatalSignal, stuck };
    },
    clocks: () => options.platform.cpus.map(({ state }) => state.clock),
  };
}

/** timekeeping_init: the wall clock starts with the run. */
function startTimekeeper(
  options: KernelOptions,
  cpu: KernelCpu,
): { timekeeper: Timekeeper; pvclock: PvClock | null } {
  const { clocksource, hz } = options.config;
  const isShared = clocksource === 'kvm-clock';
  const pvclock = isShared ? createPvClock(options.tscMHz * 1e6, readTsc({ cpu })) : null;
  const source = { clocksource, frequencyHz: clocksourceHz(clocksource, options.tscMHz * 1e6) };
  const timekeeper = createTimekeeper({
    ...source,
    hz,
    wallNs: options.wallNs ?? WALL_NS_DEFAULT,
    now: readClocksource({ cpu, pvclock, timekeeper: source, coreMHz: options.coreMHz }),
  });
  return { timekeeper, pvclock };
}

/** init_vdso_image, unless vdso=0. */
function createVdso(
  { config, features }: KernelOptions,
  { memory, buddy }: Pick<Kernel, 'memory' | 'buddy'>,
  pvclock: PvClock | null,
): VdsoMapping | null {
  return config.vdso ? initVdso(memory, buddy, { features, hz: config.hz, pvclock }) : null;
}

function boot(options: KernelOptions): { kernel: Kernel; init: Task } {
  const { platform, config, seed, ledger } = options;
  const memory = new PhysicalMemory(platform);
  const bytes = Math.min(config.memoryBytes, platform.guestBytes);
  const cpus = platform.cpus.length;
  const early = setupMemory(memory, { bytes, cpus, pti: config.pti, la57: config.la57 });
  const kernelCpus = bringUpCpus(options, early);
  const [cpu] = kernelCpus;
  const { buddy } = early;
  const caches = new KmemCaches(config.memoryPolicy.kmemAccounting);
  const tasks: Task[] = [];
  const stacks = new KernelStacks(memory, buddy, early.swapperPgd);
  const pids = new PidNamespace(cpus);
  const holder: KernelHolder = { kernel: null };
  const sched = createSchedState(config, cpus, holder);
  const source = { cpu, memory, buddy, caches, tasks, stacks, pids, sched };
  const { timekeeper, pvclock } = startTimekeeper(options, cpu);
  const fileSystems = createFileSystems();
  const root = createRoot({ ...source, timekeeper, fileSystems });
  const rqs = kernelCpus.map((each) =>
    createRunQueue(sched, each, () => createIdle(source, root, each.number)),
  );
  const init = createTask(source, { pid: 1, parent: rqs[0].idle, comm: 'init', root });
  becomeInit(source, init);
  const vdso = createVdso(options, source, pvclock);
  const kernel: Kernel = {
    ...source,
    vm: new VmState(config.memoryPolicy),
    config,
    platform,
    ledger,
    rqs,
    futexes: new FutexTable(cpus),
    futexPi: new PiState(),
    cgroups: new Cgroups(sched.root),
    interrupt,
    coreMHz: options.coreMHz,
    trace: tracepoints(options),
    timekeeper,
    ...freshState(cpus),
    vdso,
    pvclock,
    current: init,
    init,
    fileSystems,
    root,
    console: options.onConsole,
    warnings: [],
    warned: new Set<string>(),
    randomLayout: new Random(seed, 'address layout'),
    randomBytes: new Random(seed, 'random bytes'),
    zeroPage: early.zeroPage,
    swapperPgd: early.swapperPgd,
    swapperTop: early.swapperTop,
  };
  schedReady(holder, kernel);
  traceContention(kernel);
  populateRoot(kernel, options.files ?? []);
  fillHugePool(kernel.vm, early.buddy);
  publish(kernel);
  forgetBoot(kernel, kernelCpus);
  return { kernel, init };
}

type FreshState = Pick<
  Kernel,
  | 'rcu'
  | 'watches'
  | 'renameCookie'
  | 'uts'
  | 'nextAsid'
  | 'fatalSignal'
  | 'counts'
  | 'released'
  | 'queuedSignals'
  | 'target'
  | 'ended'
>;

/** What has not happened yet. */
function freshState(cpus: number): FreshState {
  return {
    rcu: createRcu(cpus),
    watches: new Map(),
    renameCookie: 0,
    uts: { nodename: UTS_NAME.nodename, domainname: UTS_NAME.domainname },
    nextAsid: 1,
    fatalSignal: null,
    counts: { pageFaults: 0, contextSwitches: 0, cpuMigrations: 0 },
    released: [],
    queuedSignals: 0,
    target: null,
    ended: false,
  };
}

/** Booting is not part of any run: what setting up was charged is dropped. */
function forgetBoot(kernel: Kernel, cpus: readonly KernelCpu[]): void {
  for (const cpu of cpus) {
    cpu.discard();
    cpu.rcuCallbacks = 0;
    cpu.warmText();
  }
  for (const task of kernel.tasks) task.startTick = 0;
}

/** What makes a process init: nothing kills it, its children are reaped at once. */
function becomeInit(source: TaskSource, { signal, sighand, pid, stackTop }: Task): void {
  signal.unkillable = true;
  sighand.actions[Sig.CHLD].handler = SIG_IGN;
  startSession(source, signal, pid);
  source.cpu.stackTop = stackTop;
}

/** init_idle's task: pid 0 on each CPU. */
function createIdle(source: TaskSource, root: Dentry, cpu: number): Task {
  return createTask(source, { pid: 0, parent: null, comm: `swapper/${cpu}`, cpu, root });
}

function bringUpCpus(options: KernelOptions, early: BootMemory): KernelCpu[] {
  const { platform, config, ledger } = options;
  const ticks = new KernelTicks(options.costs, {
    retpolines: config.spectreV2.includes('retpoline'),
    srso: config.srso,
  });
  const text = new KernelText(options.symbols);
  return platform.cpus.map((hardware, number) => {
    hardware.loadCr3(early.swapperTop, 0, false, 'both');
    const perCpu = early.perCpu[number];
    const { hardening } = config.memoryPolicy;
    const idleFunction = config.idlePoll ? F.cpu_idle_poll : F.default_idle;
    const own = { hardening, idleFunction, perCpu };
    return new KernelCpu({ platform, number, ticks, text, ledger, ...own });
  });
}

function startTarget(
  kernel: Kernel,
  init: Task,
  request: ExecRequest,
  onStart: (() => void) | undefined,
): ElfError | ExecError | null {
  const { cpu, platform } = kernel;
  assert(kernel.current === init, 'one program to a kernel');
  cpu.enter();
  const target = createTask(kernel, {
    pid: TARGET_PID,
    parent: init,
    comm: 'lab',
    root: kernel.root,
  });
  target.state = 'R';
  target.startTick = 0;
  target.exitSignal = Sig.CHLD;
  // As a shell starts a program: in a group of its own, in the session that is there.
  startGroup(kernel, init.signal.group.session, target.signal, target.pid);
  kernel.pids.startAfter(target.pid);
  kernel.current = target;
  kernel.target = target;
  cpu.stackTop = target.stackTop;
  cpu.discard();
  cpu.attribute(target.pid, Context.KERNEL);
  platform.setTask(cpu.number, target.pid);
  openStandardFiles(kernel, target);
  if (kernel.config.seccomp) attachFilter(kernel, ALLOW_ALL);
  cpu.discard();
  onStart?.();
  const error = execve(kernel, request);
  if (error !== null) return error;
  enterUserMode(kernel, target);
  return null;
}

/** The first way to user mode: the program runs on the boot CPU. */
function enterUserMode(kernel: Kernel, target: Task): void {
  const [rq] = kernel.rqs;
  const { mm } = target;
  if (mm === null) throw new MachineBug('a program has an address space');
  startFirstTask(kernel, rq, target);
  loadUserSpace(kernel, mm);
  kernel.cpu.leave();
  for (const each of kernel.rqs) {
    if (each === rq || keepsTick(kernel.config)) startTick(kernel, each, each.cpu.clock);
  }
}

function tracepoints({ events, trace }: KernelOptions): Tracepoints {
  const table = (spec: TableSpec): EventTable | null =>
    events.has(spec.name) ? new EventTable(spec, trace) : null;
  return {
    syscalls: table(SYSCALLS),
    pageFaultUser: table(PAGE_FAULT_USER),
    schedProcessExec: table(SCHED_PROCESS_EXEC),
    schedProcessExit: table(SCHED_PROCESS_EXIT),
    signalGenerate: table(SIGNAL_GENERATE),
    signalDeliver: table(SIGNAL_DELIVER),
    schedProcessFork: table(SCHED_PROCESS_FORK),
    schedProcessWait: table(SCHED_PROCESS_WAIT),
    irqHandler: table(IRQ_HANDLER),
    schedSwitch: table(SCHED_SWITCH),
    schedWaking: table(SCHED_WAKING),
    schedWakeup: table(SCHED_WAKEUP),
    schedMigrateTask: table(SCHED_MIGRATE_TASK),
    schedStatRuntime: table(SCHED_STAT_RUNTIME),
    futex: table(FUTEX),
    tlbFlush: table(TLB_FLUSH),
    points: POINT_TABLES.map(table),
  };
}

function finishTrace(trace: Tracepoints): void {
  const tables = Object.values(trace) as (EventTable | null | readonly (EventTable | null)[])[];
  for (const table of tables.flat()) table?.finish();
}
