/** io_uring_setup, io_uring_enter, io_uring_register, after Linux 6.1 io_uring/io_uring.c. */
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { anonFile } from '../fs/file_table.ts';
import { fdget, fdInstall, getUnusedFd } from '../fs/file.ts';
import type { IoResult } from '../include/linux/fs.ts';
import { Restart } from '../include/linux/errno.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import {
  IoringBytes,
  IoringEnter,
  IoringFeature,
  IoringSetup,
  IoringSq,
  ParamsField,
} from '../include/uapi/linux/io_uring.ts';
import type { Kernel } from '../init/kernel.ts';
import { mutexLock, mutexUnlock } from '../kernel/locking/mutex.ts';
import { waitEventInterruptible, wakeUp } from '../kernel/sched/wait.ts';
import {
  flushOverflow,
  IO_URING,
  IoRing,
  ringOf,
  submit,
  waitingCompletions,
  waitingSubmissions,
} from './io_uring.ts';
import { RingField, Rings, type RingShape } from './rings.ts';
import { startPolling } from './sqpoll.ts';

const SQ_ENTRIES_MAX = 32768;
const CQ_ENTRIES_MAX = 2 * SQ_ENTRIES_MAX;
const FEATURES =
  IoringFeature.SINGLE_MMAP |
  IoringFeature.NODROP |
  IoringFeature.SUBMIT_STABLE |
  IoringFeature.CQE_SKIP;

const roundUpPowerOfTwo = (value: number): number => 2 ** Math.ceil(Math.log2(value));

/** What the flags ask for together makes no sense. */
function flagsRefused(flags: number): boolean {
  const has = (flag: IoringSetup): boolean => (flags & flag) !== 0;
  if ((flags & ~IoringSetup.ALL) !== 0) return true;
  if (has(IoringSetup.SQ_AFF) && !has(IoringSetup.SQPOLL)) return true;
  const taskRun = IoringSetup.COOP_TASKRUN | IoringSetup.TASKRUN_FLAG | IoringSetup.DEFER_TASKRUN;
  if (has(IoringSetup.SQPOLL) && (flags & taskRun) !== 0) return true;
  const runs = IoringSetup.COOP_TASKRUN | IoringSetup.DEFER_TASKRUN;
  if (has(IoringSetup.TASKRUN_FLAG) && (flags & runs) === 0) return true;
  return has(IoringSetup.DEFER_TASKRUN) && !has(IoringSetup.SINGLE_ISSUER);
}

/** io_uring_create's numbers of entries, or -EINVAL. */
function shapeOf(entries: number, flags: number, cqWanted: number): RingShape | number {
  const clamps = (flags & IoringSetup.CLAMP) !== 0;
  if (entries === 0 || (entries > SQ_ENTRIES_MAX && !clamps)) return -Errno.EINVAL;
  const sqEntries = roundUpPowerOfTwo(Math.min(entries, SQ_ENTRIES_MAX));
  let cqEntries = 2 * sqEntries;
  if ((flags & IoringSetup.CQSIZE) !== 0) {
    if (cqWanted === 0 || (cqWanted > CQ_ENTRIES_MAX && !clamps)) return -Errno.EINVAL;
    cqEntries = roundUpPowerOfTwo(Math.min(cqWanted, CQ_ENTRIES_MAX));
    if (cqEntries < sqEntries) return -Errno.EINVAL;
  }
  return {
    sqEntries,
    cqEntries,
    sqeBytes: (flags & IoringSetup.SQE128) !== 0 ? 2 * IoringBytes.SQE : IoringBytes.SQE,
    cqeBytes: (flags & IoringSetup.CQE32) !== 0 ? 2 * IoringBytes.CQE : IoringBytes.CQE,
  };
}

export function sysIoUringSetup(kernel: Kernel, args: SyscallArguments): number {
  const [entries, address] = [args.low(0), args.unsigned(1)];
  const bytes = new Uint8Array(IoringBytes.PARAMS);
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  for (let at = ParamsField.RESERVED; at < ParamsField.SQ_OFF; at += 4) {
    if (view.getUint32(at, true) !== 0) return -Errno.EINVAL;
  }
  const flags = view.getUint32(ParamsField.FLAGS, true);
  if (flagsRefused(flags)) return -Errno.EINVAL;
  const shape = shapeOf(entries, flags, view.getUint32(ParamsField.CQ_ENTRIES, true));
  if (typeof shape === 'number') return shape;
  const ring = createRing(kernel, flags, shape);
  if (typeof ring === 'number') return ring;
  if ((flags & IoringSetup.SQPOLL) !== 0) {
    const refused = startThread(kernel, ring, view);
    if (refused !== 0) return refused;
  }
  describe(view, ring);
  if (copyToUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  return installRing(kernel, ring);
}

function createRing(kernel: Kernel, flags: number, shape: RingShape): IoRing | number {
  const { cpu, caches } = kernel;
  cpu.run(F.kmalloc_trace, 22);
  const address = caches.kmalloc1k.allocate(kernel);
  const rings = address < 0 ? null : Rings.allocate(kernel, shape);
  return rings === null ? -Errno.ENOMEM : new IoRing(address, flags, rings);
}

/** The polling thread, on the CPU that is asked for, else on the last one. */
function startThread(kernel: Kernel, ring: IoRing, view: DataView): number {
  const cpus = kernel.platform.cpus.length;
  const bound = (ring.flags & IoringSetup.SQ_AFF) !== 0;
  const cpu = bound ? view.getUint32(ParamsField.SQ_THREAD_CPU, true) : cpus - 1;
  if (cpu >= cpus) return -Errno.EINVAL;
  const idleMs = view.getUint32(ParamsField.SQ_THREAD_IDLE, true);
  ring.thread = startPolling(kernel, ring, { cpu, pid: kernel.pids.allocate(), idleMs });
  return 0;
}

/** Fills in what the user needs to find its way in the rings. */
function describe(view: DataView, ring: IoRing): void {
  const { rings } = ring;
  const set = (at: number, values: readonly number[]): void => {
    values.forEach((value, i) => {
      view.setUint32(at + 4 * i, value, true);
    });
  };
  view.setUint32(ParamsField.SQ_ENTRIES, rings.shape.sqEntries, true);
  view.setUint32(ParamsField.CQ_ENTRIES, rings.shape.cqEntries, true);
  view.setUint32(ParamsField.FEATURES, FEATURES, true);
  set(ParamsField.SQ_OFF, [
    RingField.SQ_HEAD,
    RingField.SQ_TAIL,
    RingField.SQ_MASK,
    RingField.SQ_ENTRIES,
    RingField.SQ_FLAGS,
    RingField.SQ_DROPPED,
    rings.arrayOffset,
    0,
  ]);
  set(ParamsField.CQ_OFF, [
    RingField.CQ_HEAD,
    RingField.CQ_TAIL,
    RingField.CQ_MASK,
    RingField.CQ_ENTRIES,
    RingField.CQ_OVERFLOW,
    RingField.CQES,
    RingField.CQ_FLAGS,
    0,
  ]);
}

function installRing(kernel: Kernel, ring: IoRing): number {
  const single = (ring.flags & IoringSetup.SINGLE_ISSUER) !== 0;
  if (single && !ring.disabled) ring.issuer = kernel.current;
  const fd = getUnusedFd(kernel);
  if (fd < 0) return fd;
  const file = anonFile(kernel, '[io_uring]', IO_URING, { data: ring, flags: O.RDWR });
  if (file === null) return -Errno.ENFILE;
  fdInstall(kernel, fd, file, O.CLOEXEC);
  return fd;
}

interface EnterRequest {
  readonly toSubmit: number;
  readonly minComplete: number;
  readonly flags: number;
}

export function sysIoUringEnter(kernel: Kernel, args: SyscallArguments): IoResult {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_io_uring_enter, 8);
  cpu.run(F.__do_sys_io_uring_enter, 123);
  const request = { toSubmit: args.low(1), minComplete: args.low(2), flags: args.low(3) };
  const unserved = IoringEnter.EXT_ARG | IoringEnter.REGISTERED_RING;
  if ((request.flags & ~IoringEnter.ALL) !== 0) return -Errno.EINVAL;
  if ((request.flags & unserved) !== 0) return -Errno.EINVAL;
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (file.operations !== IO_URING) return -Errno.EOPNOTSUPP;
  const ring = ringOf(file);
  if (ring.disabled) return -Errno.EBADFD;
  cpu.read(ring.address);
  cpu.read(ring.address + 64);
  if (ring.thread !== null) return enterPolled(kernel, ring, request);
  const submitted = request.toSubmit > 0 ? submitLocked(kernel, ring, request.toSubmit) : 0;
  if (submitted < 0) return submitted;
  return (request.flags & IoringEnter.GETEVENTS) === 0
    ? submitted
    : getEvents(kernel, ring, request, submitted);
}

function submitLocked(kernel: Kernel, ring: IoRing, count: number): number {
  const { cpu } = kernel;
  const single = (ring.flags & IoringSetup.SINGLE_ISSUER) !== 0;
  if (single && ring.issuer !== null && ring.issuer !== kernel.current) return -Errno.EEXIST;
  mutexLock(cpu, ring.address + 128);
  const submitted = submit(kernel, ring, count);
  mutexUnlock(cpu);
  cpu.run(F.io_run_task_work, 13);
  return submitted;
}

/** With a polling thread, entering only wakes it, and waits. */
function enterPolled(kernel: Kernel, ring: IoRing, request: EnterRequest): IoResult {
  const { rings } = ring;
  if ((request.flags & IoringEnter.SQ_WAKEUP) !== 0) {
    const flags = rings.peek(RingField.SQ_FLAGS);
    rings.write(RingField.SQ_FLAGS, flags & ~IoringSq.NEED_WAKEUP);
    wakeUp(kernel, ring.threadWait);
  }
  if ((request.flags & IoringEnter.SQ_WAIT) !== 0) {
    const full = waitingSubmissions(ring) >= rings.shape.sqEntries;
    if (full) return waitForRoom(kernel, ring, request);
  }
  return (request.flags & IoringEnter.GETEVENTS) === 0
    ? request.toSubmit
    : getEvents(kernel, ring, request, request.toSubmit);
}

/** io_sqpoll_wait_sq: until the thread has taken something. */
function* waitForRoom(kernel: Kernel, ring: IoRing, request: EnterRequest): Sleeping<number> {
  const room = (): boolean => waitingSubmissions(ring) < ring.rings.shape.sqEntries;
  const woken = yield* waitEventInterruptible(kernel, ring.wait, room);
  return woken < 0 ? -Errno.EINTR : request.toSubmit;
}

/** io_cqring_wait: until enough completions are there. */
function getEvents(
  kernel: Kernel,
  ring: IoRing,
  request: EnterRequest,
  submitted: number,
): IoResult {
  flushOverflow(ring);
  const wanted = Math.min(request.minComplete, ring.rings.shape.cqEntries);
  ring.rings.read(RingField.CQ_HEAD);
  if (waitingCompletions(ring) >= wanted) return submitted;
  return waitForEvents(kernel, ring, wanted, submitted);
}

function* waitForEvents(
  kernel: Kernel,
  ring: IoRing,
  wanted: number,
  submitted: number,
): Sleeping<number> {
  const enough = (): boolean => {
    flushOverflow(ring);
    return waitingCompletions(ring) >= wanted;
  };
  const woken = yield* waitEventInterruptible(kernel, ring.wait, enough);
  if (woken === -Restart.SYS && submitted === 0) return -Errno.EINTR;
  return submitted;
}

const enum Register {
  ENABLE_RINGS = 12,
}

/** io_uring_register: enabling a ring that was made disabled. */
export function sysIoUringRegister(kernel: Kernel, args: SyscallArguments): number {
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (file.operations !== IO_URING) return -Errno.EOPNOTSUPP;
  const ring = ringOf(file);
  if (args.low(1) !== (Register.ENABLE_RINGS as number)) return -Errno.EINVAL;
  if (args.unsigned(2) !== 0 || args.low(3) !== 0) return -Errno.EINVAL;
  if (!ring.disabled) return -Errno.EBADFD;
  ring.disabled = false;
  if ((ring.flags & IoringSetup.SINGLE_ISSUER) !== 0) ring.issuer = kernel.current;
  return 0;
}
