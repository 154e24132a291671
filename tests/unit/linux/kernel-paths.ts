/** Counts the instructions of single operations in the model, as the data set counts the real kernel's. */
import { readFileSync } from 'node:fs';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { call, fault, look, ScriptedKernel, type Step } from './scripted-kernel.ts';

/** Boots of the data set, as command lines and CPU features. */
export const BOOTS = {
  off: { commandLine: 'norandmaps cgroup.memory=nokmem mitigations=off pti=off', features: [] },
  on: { commandLine: 'norandmaps cgroup.memory=nokmem pti=on spectre_v2=retpoline', features: [] },
  on_zen: { commandLine: 'norandmaps cgroup.memory=nokmem', features: ['retpoline', 'srso'] },
} as const;

export type Boot = keyof typeof BOOTS;

const DATA = 0x401000;
const BUFFER = 0x402000;
const PROT_RW = 3;
const PRIVATE_ANONYMOUS = 0x22;
const PAGE = 4096;
const FAR = 0x10000000000;

/** An operation: what brings about its state, then itself. */
interface Operation {
  readonly before: readonly Step[];
  readonly measured: Step;
}

/** The address is a hint, as in the counted program. */
const map = (address: number, pages: number, prot = PROT_RW): Step =>
  call('mmap', address, pages * PAGE, prot, PRIVATE_ANONYMOUS, -1, 0);
const touch = (address: number): Step => fault(address, 6);
const warmBuffer = [touch(BUFFER)];

const op = (measured: Step, ...before: Step[]): Operation => ({ before, measured });

/**
 * Mappings that the counting process has, enough for a tree of two levels, and an munmap, which
 * empties the batch of new pages.
 */
const CROWD: Step[] = [
  ...Array.from({ length: 6 }, (_, i) => map(0x7000000000 + i * 0x10000, 1, (i % 2) * 2 + 1)),
  map(FAR, 1),
  call('munmap', FAR, PAGE),
];

/** By the data set's names. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  getppid: op(call('getppid')),
  getpid: op(call('getpid')),
  gettid: op(call('gettid')),
  getuid: op(call('getuid')),
  invalid_syscall: op(call(700)),
  uname: op(call('uname', BUFFER), ...warmBuffer),
  clock_gettime_mono_syscall: op(call('clock_gettime', 1, BUFFER), ...warmBuffer),
  clock_gettime_realtime_syscall: op(call('clock_gettime', 0, BUFFER), ...warmBuffer),
  clock_gettime_cputime_syscall: op(call('clock_gettime', 2, BUFFER), ...warmBuffer),
  getrandom16: op(call('getrandom', BUFFER, 16, 0), ...warmBuffer),
  sysinfo: op(call('sysinfo', BUFFER), ...warmBuffer),
  rt_sigprocmask: op(call('rt_sigprocmask', 0, BUFFER, 0, 8), ...warmBuffer),
  sched_yield_alone: op(call('sched_yield')),
  close_badfd: op(call('close', 77)),
  write1_devnull: op(call('write', 3, DATA, 1), openPath('/dev/null'), call('write', 3, DATA, 1)),
  read1_devzero: op(call('read', 3, BUFFER, 1), openPath('/dev/zero'), ...warmBuffer),
  pipe_write1_noreader: op(call('write', 1, DATA, 1), call('write', 1, DATA, 1)),
  pipe_write4k_noreader: op(call('write', 1, DATA, 4096), call('write', 1, DATA, 4096)),
  fstat: op(call('fstat', 1, BUFFER), ...warmBuffer),
  ioctl_tcgets_enotty: op(call('ioctl', 1, 0x5401, BUFFER)),
  futex_wake_0_private: op(call('futex', BUFFER, 129, 1), ...warmBuffer),
  futex_wait_wrong_value: op(call('futex', BUFFER, 128, 5, 0), ...warmBuffer),
  mmap_anon_4k_newvma: op(map(FAR, 1), ...CROWD),
  munmap_4k_untouched: op(call('munmap', FAR, PAGE), ...CROWD, map(FAR, 1)),
  munmap_touched_1: op(call('munmap', FAR, PAGE), ...CROWD, map(FAR, 1), touch(FAR)),
  munmap_touched_256: op(
    call('munmap', FAR, 256 * PAGE),
    ...CROWD,
    map(FAR, 256),
    ...touchAll(FAR, 256),
  ),
  madvise_dontneed_1: op(
    call('madvise', FAR, PAGE, 4),
    ...CROWD,
    map(FAR, 4),
    touch(FAR + PAGE),
    call('madvise', FAR + PAGE, PAGE, 4),
    touch(FAR),
  ),
  mprotect_1page_to_ro: op(call('mprotect', FAR, PAGE, 1), ...CROWD, map(FAR, 1), touch(FAR)),
  mprotect_1page_to_rw: op(
    call('mprotect', FAR, PAGE, 3),
    ...CROWD,
    map(FAR, 1),
    touch(FAR),
    call('mprotect', FAR, PAGE, 1),
  ),
  mprotect_split_middle_of16: op(
    call('mprotect', FAR + 8 * PAGE, PAGE, 1),
    ...CROWD,
    map(FAR, 16),
    ...touchAll(FAR, 16),
  ),
  mprotect_merge_back: op(
    call('mprotect', FAR + 8 * PAGE, PAGE, 3),
    ...CROWD,
    map(FAR, 16),
    ...touchAll(FAR, 16),
    call('mprotect', FAR + 8 * PAGE, PAGE, 1),
  ),
  brk_query: op(call('brk', 0)),
  brk_grow_4k: op(growHeap(2 * PAGE), ...CROWD, growHeap(PAGE)),
  brk_shrink_4k_untouched: op(growHeap(PAGE), ...CROWD, growHeap(2 * PAGE)),
  fault_anon_write: op(touch(FAR + PAGE), ...CROWD, map(FAR, 4), touch(FAR)),
  fault_anon_read_zeropage: op(fault(FAR + PAGE, 4), ...CROWD, map(FAR, 4), fault(FAR, 4)),
  fault_anon_write_after_zeropage: op(
    fault(FAR + PAGE, 7),
    ...CROWD,
    map(FAR, 4),
    touch(FAR),
    fault(FAR + PAGE, 4),
  ),
  fault_anon_write_new_pagetable: op(touch(FAR), ...CROWD, map(FAR, 4)),
};

function touchAll(address: number, pages: number): Step[] {
  return Array.from({ length: pages }, (_, i) => touch(address + i * PAGE));
}

/** open() of a path that the script first puts into user memory. */
function openPath(path: string): Step {
  return (scripted) => {
    const { mm } = scripted.kernel.current;
    if (mm === null) throw new Error('no address space');
    pokeUser(scripted, DATA + 0x100, new TextEncoder().encode(`${path}\0`));
    return call('open', DATA + 0x100, 2)(scripted);
  };
}

/** Writes user memory through the first data page, which the loader has made private already. */
function pokeUser(scripted: ScriptedKernel, address: number, bytes: Uint8Array): void {
  const physical = scripted.hierarchy.translate(0, BigInt(address));
  if (physical < 0) throw new Error('the data page is not there');
  scripted.linear.u8.set(bytes, scripted.linear.guestBase + physical);
}

function growHeap(bytes: number): Step {
  return (scripted) => {
    const start = scripted.kernel.current.mm?.startBrk ?? 0;
    return call('brk', start + bytes)(scripted);
  };
}

export interface PathCount {
  readonly instructions: number;
  /** Distinct lines cannot be counted from outside; this is how many cycles the operation took. */
  readonly ticks: number;
}

/** Runs one operation in a fresh kernel and counts it. */
/** `functions`, when given, receives calls and instructions by function. */
export function countPath(
  name: string,
  boot: Boot,
  functions?: Map<string, [calls: number, instructions: number]>,
): PathCount {
  const { commandLine, features } = BOOTS[boot];
  const scripted = new ScriptedKernel({ board: SIMPLE, commandLine, features });
  const { before, measured } = OPERATIONS[name];
  let begin = { instructions: 0, clock: 0 };
  let end = begin;
  const note = (): { instructions: number; clock: number } => ({
    instructions: scripted.kernel.cpu.unsettledInstructions(),
    clock: scripted.state.clock,
  });
  const marked: Step = (s) => {
    s.kernel.cpu.settle();
    begin = note();
    if (functions !== undefined) s.closeWindow();
    return measured(s);
  };
  scripted.play(
    fault(DATA + 0x100, 6),
    ...before,
    marked,
    look(() => {
      end = note();
      if (functions === undefined) return;
      scripted.kernel.cpu.settle();
      for (const [fn, counts] of scripted.closeWindow()) functions.set(fn, counts);
    }),
  );
  return { instructions: end.instructions - begin.instructions, ticks: end.clock - begin.clock };
}

/** The real kernel's counts: operation -> boot -> instructions. */
export function measuredPaths(): Map<string, Record<Boot, number>> {
  const text = readFileSync('datasets/linux-6.1-paths/summary.csv', 'utf8');
  const [, ...rows] = text.trim().split('\n');
  return new Map(
    rows.map((row) => {
      const [name, off, on, zen] = row.split(',');
      return [name, { off: Number(off), on: Number(on), on_zen: Number(zen) }];
    }),
  );
}
