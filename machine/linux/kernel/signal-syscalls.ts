/**
 * Masks, actions, waiting for signals, after Linux 6.1 kernel/signal.c (the calls). Sending is in
 * signal-kill-syscalls.ts.
 */
import { sysSigaltstack as sigaltstack } from '../arch/x86/kernel/signal.ts';
import { copyFromUser, copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Restart } from '../include/linux/errno.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Sa, SIGINFO_BYTES, type SigInfo } from '../include/linux/signal_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLockIrq, spinUnlockIrq } from './locking/spinlock.ts';
import { schedule, scheduleTimeout } from './sched/core.ts';
import {
  changeBlocked,
  flushPending,
  KERNEL_ONLY,
  recalcSigpendingOf,
  setCurrentBlocked,
  signalBit,
  taskIgnores,
} from './signal-pending.ts';
import { dequeueSignal } from './signal.ts';

const SIGSET_BYTES = 8;
const SIGACTION_BYTES = 32;
const NSEC_PER_SEC = 1_000_000_000;
/** Longer timeouts are for ever: 2^53 ns are 104 days. */
const SECONDS_MAX = 9_000_000;
/** The flags that an action keeps: the kernel clears the others, so that programs can probe them. */
const KNOWN_FLAGS =
  BigInt(Sa.NOCLDSTOP | Sa.NOCLDWAIT | Sa.SIGINFO | Sa.EXPOSE_TAGBITS | Sa.RESTORER | Sa.ONSTACK) |
  BigInt(Sa.RESTART) |
  BigInt(Sa.NODEFER) |
  BigInt(Sa.RESETHAND);

const toBytes = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);

/** A signal set from user memory, or null on a fault. */
function copySet(kernel: Kernel, address: number): bigint | null {
  const bytes = new Uint8Array(SIGSET_BYTES);
  if (copyFromUser(kernel, address, bytes) < 0) return null;
  return new BigUint64Array(bytes.buffer)[0];
}

const enum How {
  BLOCK,
  UNBLOCK,
  SETMASK,
}

export function sysRtSigprocmask(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigprocmask, 40);
  cpu.read(current.address + 2624);
  if (args.unsigned(3) !== SIGSET_BYTES) return -Errno.EINVAL;
  const [set, old] = [args.unsigned(1), args.unsigned(2)];
  const how: How = args.int(0);
  const before = current.blocked;
  if (set !== 0) {
    const mask = copySet(kernel, set);
    if (mask === null) return -Errno.EFAULT;
    if (how < How.BLOCK || how > How.SETMASK) return -Errno.EINVAL;
    cpu.run(F.sigprocmask, 31);
    const wanted = mask & ~KERNEL_ONLY;
    const next =
      how === How.BLOCK ? before | wanted : how === How.UNBLOCK ? before & ~wanted : wanted;
    if (next !== before) changeBlocked(kernel, next);
  }
  if (old !== 0 && copyToUser(kernel, old, toBytes(before)) < 0) return -Errno.EFAULT;
  return 0;
}

export function sysRtSigaction(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigaction, 43);
  const signal = args.int(0);
  if (args.unsigned(3) !== SIGSET_BYTES) return -Errno.EINVAL;
  const [act, old] = [args.unsigned(1), args.unsigned(2)];
  const bytes = new Uint8Array(SIGACTION_BYTES);
  if (act !== 0 && copyFromUser(kernel, act, bytes) < 0) return -Errno.EFAULT;
  if (signal < 1 || signal > Sig.MAX) return -Errno.EINVAL;
  if (act !== 0 && (signal === Sig.KILL || signal === Sig.STOP)) return -Errno.EINVAL;
  cpu.run(F.do_sigaction, 75);
  spinLockIrq(cpu, current.sighand.address);
  cpu.run(F.sigaction_compat_abi, 11);
  const action = current.sighand.actions[signal];
  const before = BigUint64Array.of(action.handler, action.flags, action.restorer, action.mask);
  if (act !== 0) {
    const [handler, flags, restorer, mask] = new BigUint64Array(bytes.buffer);
    const kept = { flags: flags & KNOWN_FLAGS, mask: mask & ~KERNEL_ONLY };
    Object.assign(action, { handler, restorer, ...kept });
    // POSIX 3.3.1.3: what waits is forgotten when it becomes ignored, blocked or not.
    if (taskIgnores(current, signal, false)) forget(kernel, signalBit(signal));
  }
  spinUnlockIrq(cpu);
  if (old === 0) return 0;
  return copyToUser(kernel, old, new Uint8Array(before.buffer)) < 0 ? -Errno.EFAULT : 0;
}

function forget(kernel: Kernel, mask: bigint): void {
  const { signal: process } = kernel.current;
  flushPending(kernel, process.shared, mask);
  for (const thread of process.threads) flushPending(kernel, thread.pending, mask);
}

export function sysRtSigpending(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigpending, 25);
  const size = args.unsigned(1);
  if (size > SIGSET_BYTES) return -Errno.EINVAL;
  const set = (current.pending.set | current.signal.shared.set) & current.blocked;
  return copyToUser(kernel, args.unsigned(0), toBytes(set).subarray(0, size));
}

/** set_user_sigmask: a mask for one call, which the way back restores. Returns false on a fault. */
export function setUserSigmask(kernel: Kernel, address: number): boolean {
  if (address === 0) return true;
  const mask = copySet(kernel, address);
  if (mask === null) return false;
  kernel.current.savedMask = kernel.current.blocked;
  setCurrentBlocked(kernel, mask);
  return true;
}

/** restore_saved_sigmask_unless: a call that was not interrupted restores the mask itself. */
export function restoreSavedSigmask(kernel: Kernel): void {
  const { savedMask } = kernel.current;
  if (savedMask === null) return;
  kernel.current.savedMask = null;
  setCurrentBlocked(kernel, savedMask);
}

export function sysRtSigsuspend(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_rt_sigsuspend, 22);
  if (args.unsigned(1) !== SIGSET_BYTES) return -Errno.EINVAL;
  const mask = copySet(kernel, args.unsigned(0));
  if (mask === null) return -Errno.EFAULT;
  return suspend(kernel, mask);
}

function* suspend(kernel: Kernel, mask: bigint): Sleeping<number> {
  const { current } = kernel;
  current.savedMask = current.blocked;
  setCurrentBlocked(kernel, mask);
  while (!current.signalPending) {
    current.state = 'S';
    yield* schedule(kernel);
  }
  current.state = 'R';
  return -Restart.NOHAND;
}

export function sysPause(kernel: Kernel): Sleeping<number> {
  return pause(kernel);
}

function* pause(kernel: Kernel): Sleeping<number> {
  const { current } = kernel;
  while (!current.signalPending) {
    current.state = 'S';
    yield* schedule(kernel);
  }
  current.state = 'R';
  return -Restart.NOHAND;
}

/** siginfo_t as user code gets it. */
export function copySiginfo(kernel: Kernel, address: number, info: SigInfo): number {
  kernel.cpu.run(F.copy_siginfo_to_user, 23);
  const bytes = new Uint8Array(SIGINFO_BYTES);
  bytes.set(info.bytes);
  return copyToUser(kernel, address, bytes);
}

export function sysRtSigtimedwait(
  kernel: Kernel,
  args: SyscallArguments,
): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_rt_sigtimedwait, 60);
  const [info, timeout] = [args.unsigned(1), args.unsigned(2)];
  if (args.unsigned(3) !== SIGSET_BYTES) return -Errno.EINVAL;
  const set = copySet(kernel, args.unsigned(0));
  if (set === null) return -Errno.EFAULT;
  let ns = Infinity;
  if (timeout !== 0) {
    const bytes = new Uint8Array(16);
    if (copyFromUser(kernel, timeout, bytes) < 0) return -Errno.EFAULT;
    const [seconds, rest] = [...new BigInt64Array(bytes.buffer)].map(Number);
    if (seconds < 0 || rest < 0 || rest >= NSEC_PER_SEC) return -Errno.EINVAL;
    ns = seconds > SECONDS_MAX ? Infinity : seconds * NSEC_PER_SEC + rest;
  }
  return timedWait(kernel, set & ~KERNEL_ONLY, { info, ns });
}

/** do_sigtimedwait: takes a signal of `set`, which is normally blocked, or waits for one. */
function* timedWait(
  kernel: Kernel,
  set: bigint,
  { info, ns }: { readonly info: number; readonly ns: number },
): Sleeping<number> {
  const { current } = kernel;
  const ignored = ~set & 0xffff_ffff_ffff_ffffn;
  kernel.cpu.run(F.do_sigtimedwait, 80);
  spinLockIrq(kernel.cpu, current.sighand.address);
  let taken = dequeueSignal(kernel, ignored);
  let left = ns;
  if (taken === null && ns > 0) {
    current.realBlocked = current.blocked;
    current.blocked &= ignored;
    if (!recalcSigpendingOf(current)) current.signalPending = false;
    spinUnlockIrq(kernel.cpu);
    if (!current.signalPending) {
      current.state = 'S';
      left = yield* scheduleTimeout(kernel, ns);
      current.state = 'R';
    }
    spinLockIrq(kernel.cpu, current.sighand.address);
    changeBlocked(kernel, current.realBlocked);
    current.realBlocked = 0n;
    taken = dequeueSignal(kernel, ignored);
  }
  spinUnlockIrq(kernel.cpu);
  if (taken === null) return left > 0 && ns > 0 ? -Errno.EINTR : -Errno.EAGAIN;
  if (info !== 0 && copySiginfo(kernel, info, taken.info) < 0) return -Errno.EFAULT;
  return taken.signal;
}

export function sysSigaltstack(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_sigaltstack, 30);
  return sigaltstack(kernel, args.unsigned(0), args.unsigned(1));
}

/** restart_syscall: what an interrupted call left to be gone on with. */
export function sysRestartSyscall(kernel: Kernel): number | Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_restart_syscall, 8);
  const { restart } = kernel.current;
  return restart === null ? -Errno.EINTR : restart(kernel);
}
