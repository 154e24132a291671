/**
 * Signal frames, after Linux 6.1 arch/x86/kernel/signal.c: what a handler finds on its stack, the way
 * back by rt_sigreturn, and the restart of interrupted calls. Omits: 32-bit frames, shadow stacks.
 */
import { Cpu } from '../../../../hardware/layout.ts';
import { Restart } from '../../../include/linux/errno.ts';
import { KEEP_REGISTERS, type Sleeping, type Task } from '../../../include/linux/sched.ts';
import { Sa, SiCode, SigInfo, Ss } from '../../../include/linux/signal_types.ts';
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import { Sig, SIG_DFL } from '../../../include/uapi/asm-generic/signal.ts';
import { NR } from '../../../include/uapi/asm/unistd-64.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { rseqSignalDeliver } from '../../../kernel/rseq.ts';
import { getSignal, type KernelSignal } from '../../../kernel/signal.ts';
import { changeBlocked, setCurrentBlocked, signalBit } from '../../../kernel/signal-pending.ts';
import { forceSig, forceSigInfo } from '../../../kernel/signal-send.ts';
import { traceSignalDeliver } from '../../../trace/signal.ts';
import { readUserBytes, writeUserBytes } from '../lib/usercopy.ts';
import { F } from '../model/generated/function-ids.ts';
import { Gpr } from '../model/registers.ts';
import {
  clearUserStates,
  copyFpstateToSigframe,
  FXSAVE_BYTES,
  restoreFpstate,
} from './fpu/signal.ts';

/** rt_sigframe of x86-64; the machine context is inside the ucontext. */
const enum Frame {
  PRETCODE = 0,
  UC_FLAGS = 8,
  UC_LINK = 16,
  STACK = 24,
  REGISTERS = 48,
  FLAGS = 184,
  SEGMENTS = 192,
  ERROR = 200,
  TRAP = 208,
  OLD_MASK = 216,
  CR2 = 224,
  FPSTATE = 232,
  MASK = 304,
  INFO = 312,
  BYTES = 440,
}

/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
const UC_FLAGS = 6n;
const REDZONE_BYTES = 128;
const USER_CS = 0x33;
const USER_SS = 0x2b;
/** The flags that rt_sigreturn restores: AC OF DF RF TF SF ZF AF PF CF. */
const RESTORED_FLAGS = 0x50dd5n;
/** Cleared for a handler: DF, RF, TF. */
const HANDLER_CLEARS = 0x10500n;
/** Bytes of a syscall instruction. */
const SYSCALL_BYTES = 2;

/** General registers in the order of struct sigcontext, by hardware number; rip follows. */
const SIGCONTEXT_ORDER = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4] as const;

const FRAME = new DataView(new ArrayBuffer(Frame.BYTES));
const FRAME_BYTES = new Uint8Array(FRAME.buffer);
const WITHOUT_INFO = FRAME_BYTES.subarray(0, Frame.INFO);

/** on_sig_stack: whether the stack pointer is inside the alternate stack. */
export function onAltStack({ altStack }: Task, pointer: number): boolean {
  if ((altStack.flags & Ss.AUTODISARM) !== 0) return false;
  return insideAltStack(altStack, pointer);
}

/** __on_sig_stack */
function insideAltStack({ pointer, bytes }: Task['altStack'], at: number): boolean {
  return at > pointer && at - pointer <= bytes;
}

/** arch_do_signal_or_restart */
export function* doSignal(kernel: Kernel): Sleeping<undefined> {
  kernel.cpu.run(F.arch_do_signal_or_restart, 60);
  const taken = yield* getSignal(kernel);
  if (taken !== null) {
    handleSignal(kernel, taken);
    return undefined;
  }
  const { cpu, current } = kernel;
  if (current.call !== null) restartCall(kernel);
  // restore_saved_sigmask
  if (current.savedMask !== null) {
    const mask = current.savedMask;
    current.savedMask = null;
    changeBlocked(kernel, mask);
    cpu.write(current.address + 2624);
  }
  return undefined;
}

/** No handler runs: an interrupted call begins again. */
function restartCall({ cpu, current }: Kernel): void {
  const { registers } = cpu;
  const { call } = current;
  if (call === null || call.restored) return;
  switch (-registers.signed(Gpr.RAX)) {
    case Restart.NOHAND:
    case Restart.SYS:
    case Restart.NOINTR:
      registers.set(Gpr.RAX, call.number);
      registers.rip -= SYSCALL_BYTES;
      break;
    case Restart.BLOCK:
      registers.set(Gpr.RAX, NR.restart_syscall);
      registers.rip -= SYSCALL_BYTES;
  }
}

/** handle_signal: what the call returns, the frame, the mask of the handler. */
function handleSignal(kernel: Kernel, taken: KernelSignal): void {
  const { cpu, current } = kernel;
  const { action, signal } = taken;
  if (current.call !== null) interruptCall(kernel, action.flags);
  const failed = !setupRtFrame(kernel, taken);
  if (!failed) {
    clearUserStates(kernel);
    traceSignalDeliver(kernel, taken);
  }
  signalSetupDone(kernel, failed, taken);
  if (failed && signal === Sig.SEGV) action.handler = SIG_DFL;
  cpu.write(current.address + 2624);
}

/** A handler runs: an interrupted call fails, or begins again after it. */
function interruptCall({ cpu, current }: Kernel, flags: bigint): void {
  const { registers } = cpu;
  const { call } = current;
  if (call === null || call.restored) return;
  const restarts = (flags & BigInt(Sa.RESTART)) !== 0n;
  const result = -registers.signed(Gpr.RAX);
  if (result === Restart.NOINTR || (result === Restart.SYS && restarts)) {
    registers.set(Gpr.RAX, call.number);
    registers.rip -= SYSCALL_BYTES;
    return;
  }
  if (result === Restart.SYS || result === Restart.NOHAND || result === Restart.BLOCK) {
    registers.set(Gpr.RAX, -Errno.EINTR);
  }
}

/** get_sigframe: where the frame goes and the floating-point state above it; null when there is no room. */
function getSigframe(
  { cpu, current }: Kernel,
  flags: bigint,
): { readonly frame: number; readonly fpstate: number } | null {
  cpu.run(F.get_sigframe, 54);
  const { altStack } = current;
  let pointer = cpu.registers.unsigned(Gpr.RSP);
  const nested = onAltStack(current, pointer);
  let entering = false;
  pointer -= REDZONE_BYTES;
  if ((flags & BigInt(Sa.ONSTACK)) !== 0n && altStack.bytes > 0 && !onAltStack(current, pointer)) {
    pointer = altStack.pointer + altStack.bytes;
    entering = true;
  }
  cpu.run(F.fpu__alloc_mathframe, 14);
  const fpstate = pointer - FXSAVE_BYTES - ((pointer - FXSAVE_BYTES) % 64);
  const below = fpstate - Frame.BYTES;
  const frame = below - (below % 16) - 8;
  if (frame < 0) return null;
  if ((nested || entering) && !insideAltStack(altStack, frame)) return null;
  return { frame, fpstate };
}

/** __setup_rt_frame. Returns false when the stack cannot take it. */
function setupRtFrame(kernel: Kernel, { action, info, signal }: KernelSignal): boolean {
  const { cpu, current } = kernel;
  rseqSignalDeliver(kernel);
  const place = getSigframe(kernel, action.flags);
  if (place === null || !copyFpstateToSigframe(kernel, place.fpstate)) return false;
  const withInfo = (action.flags & BigInt(Sa.SIGINFO)) !== 0n;
  if ((action.flags & BigInt(Sa.RESTORER)) === 0n) return false;
  const { registers } = cpu;
  FRAME_BYTES.fill(0);
  FRAME.setBigUint64(Frame.PRETCODE, action.restorer, true);
  FRAME.setBigUint64(Frame.UC_FLAGS, UC_FLAGS, true);
  const { altStack } = current;
  FRAME.setBigUint64(Frame.STACK, BigInt(altStack.pointer), true);
  FRAME.setUint32(Frame.STACK + 8, altStack.flags, true);
  FRAME.setBigUint64(Frame.STACK + 16, BigInt(altStack.bytes), true);
  putSigcontext(kernel, place.fpstate);
  FRAME.setBigUint64(Frame.MASK, current.savedMask ?? current.blocked, true);
  cpu.run(F.arch_do_signal_or_restart, 130);
  if (withInfo) {
    cpu.run(F.copy_siginfo_to_user, 23);
    cpu.run(F._copy_to_user, 11);
    cpu.run(F.copy_user_enhanced_fast_string, 3);
    cpu.run(F.copy_user_short_string, 45);
    cpu.run(F.clear_user_erms, 5);
    FRAME_BYTES.set(info.bytes, Frame.INFO);
  }
  const { frame } = place;
  if (writeUserBytes(kernel, frame, withInfo ? FRAME_BYTES : WITHOUT_INFO) < 0) return false;
  registers.set(Gpr.RDI, signal);
  registers.set(Gpr.RAX, 0);
  registers.set(Gpr.RSI, frame + Frame.INFO);
  registers.set(Gpr.RDX, frame + Frame.UC_FLAGS);
  registers.set(Gpr.RSP, frame);
  const { state } = cpu.hardware;
  state.rip = action.handler;
  state.rflags &= ~HANDLER_CLEARS;
  return true;
}

/** setup_sigcontext */
function putSigcontext({ cpu, current }: Kernel, fpstate: number): void {
  const { state } = cpu.hardware;
  const { view } = cpu.registers;
  SIGCONTEXT_ORDER.forEach((gpr, i) => {
    const value = view.getBigUint64(Cpu.GPR + gpr * 8, true);
    FRAME.setBigUint64(Frame.REGISTERS + i * 8, value, true);
  });
  FRAME.setBigUint64(Frame.REGISTERS + 128, state.rip, true);
  FRAME.setBigUint64(Frame.FLAGS, state.rflags, true);
  FRAME.setUint16(Frame.SEGMENTS, USER_CS, true);
  FRAME.setUint16(Frame.SEGMENTS + 6, USER_SS, true);
  FRAME.setBigUint64(Frame.ERROR, BigInt(current.trap.error), true);
  FRAME.setBigUint64(Frame.TRAP, BigInt(current.trap.vector), true);
  FRAME.setBigUint64(Frame.OLD_MASK, current.blocked, true);
  FRAME.setBigUint64(Frame.CR2, current.trap.address, true);
  FRAME.setBigUint64(Frame.FPSTATE, BigInt(fpstate), true);
}

/** signal_setup_done: the handler's mask, or the end of a process whose stack is bad. */
function signalSetupDone(kernel: Kernel, failed: boolean, taken: KernelSignal): void {
  const { cpu, current } = kernel;
  const { action, signal } = taken;
  if (failed) {
    forceSigsegv(kernel, signal);
    return;
  }
  cpu.run(F.signal_setup_done, 46);
  current.savedMask = null;
  let blocked = current.blocked | action.mask;
  if ((action.flags & BigInt(Sa.NODEFER)) === 0n) blocked |= signalBit(signal);
  setBlockedQuietly(kernel, blocked);
  // sas_ss_reset
  if ((current.altStack.flags & Ss.AUTODISARM) !== 0) {
    current.altStack = { pointer: 0, bytes: 0, flags: Ss.DISABLE };
  }
}

/** sigaddset and set_current_blocked, inlined into signal_setup_done. */
function setBlockedQuietly(kernel: Kernel, set: bigint): void {
  changeBlocked(kernel, set & ~(signalBit(Sig.KILL) | signalBit(Sig.STOP)));
}

/** force_sigsegv: a second one, for a SIGSEGV whose frame does not fit, ends the process. */
function forceSigsegv(kernel: Kernel, signal: number): void {
  const reason = 'the stack has no room for the frame of a signal handler';
  if (signal === Sig.SEGV) {
    forceSigInfo(kernel, new SigInfo(Sig.SEGV, SiCode.KERNEL), reason, true);
  } else {
    forceSig(kernel, Sig.SEGV, reason);
  }
}

/** rt_sigreturn: the registers, mask and alternate stack of the frame that the handler got. */
export function sysRtSigreturn(kernel: Kernel): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_rt_sigreturn, 54);
  const frame = cpu.registers.unsigned(Gpr.RSP) - 8;
  cpu.runCalls(F.__get_user_nocheck_8, 12, 2);
  if (readUserBytes(kernel, frame, WITHOUT_INFO) < 0) return badFrame(kernel);
  // The frame may change under what follows: setting the mask writes no user memory.
  const mask = FRAME.getBigUint64(Frame.MASK, true);
  setCurrentBlocked(kernel, mask);
  current.restart = null;
  if (!restoreSigcontext(kernel)) return badFrame(kernel);
  restoreAltstack(kernel);
  return KEEP_REGISTERS;
}

function restoreSigcontext(kernel: Kernel): boolean {
  const { cpu } = kernel;
  const { state } = cpu.hardware;
  cpu.run(F.restore_sigcontext, 83);
  cpu.run(F._copy_from_user, 21);
  cpu.run(F.copy_user_enhanced_fast_string, 8);
  SIGCONTEXT_ORDER.forEach((gpr, i) => {
    state.setRegister(gpr, FRAME.getBigUint64(Frame.REGISTERS + i * 8, true));
  });
  state.rip = FRAME.getBigUint64(Frame.REGISTERS + 128, true);
  const flags = FRAME.getBigUint64(Frame.FLAGS, true);
  state.rflags = (state.rflags & ~RESTORED_FLAGS) | (flags & RESTORED_FLAGS);
  return restoreFpstate(kernel, Number(FRAME.getBigUint64(Frame.FPSTATE, true)));
}

/** restore_altstack: what cannot be set is ignored. */
function restoreAltstack(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.restore_altstack, 26);
  cpu.run(F._copy_from_user, 21);
  cpu.run(F.copy_user_enhanced_fast_string, 3);
  cpu.run(F.copy_user_short_string, 27);
  doSigaltstack(kernel, {
    pointer: Number(FRAME.getBigUint64(Frame.STACK, true)),
    flags: FRAME.getUint32(Frame.STACK + 8, true),
    bytes: Number(FRAME.getBigUint64(Frame.STACK + 16, true)),
  });
}

/** signal_fault */
function badFrame(kernel: Kernel): number {
  forceSig(kernel, Sig.SEGV, 'rt_sigreturn found no frame that it could restore');
  return 0;
}

/** The smallest alternate stack: MINSIGSTKSZ, and what the frame really takes. */
const MINSIGSTKSZ = 2048;

/** do_sigaltstack with a new stack. Returns 0, -EPERM, -EINVAL or -ENOMEM. */
export function doSigaltstack(kernel: Kernel, stack: Task['altStack']): number {
  const { cpu, current } = kernel;
  cpu.run(F.do_sigaltstack, 47);
  cpu.write(current.address + 2816);
  if (onAltStack(current, cpu.registers.unsigned(Gpr.RSP))) return -Errno.EPERM;
  const mode = stack.flags & ~Ss.AUTODISARM;
  if (mode !== 0 && mode !== Ss.ONSTACK && mode !== Ss.DISABLE) return -Errno.EINVAL;
  if (mode === Ss.DISABLE) {
    current.altStack = { pointer: 0, bytes: 0, flags: stack.flags >>> 0 };
    return 0;
  }
  if (stack.bytes < MINSIGSTKSZ) return -Errno.ENOMEM;
  current.altStack = { ...stack, flags: stack.flags >>> 0 };
  return 0;
}

const STACK = new DataView(new ArrayBuffer(24));
const STACK_BYTES = new Uint8Array(STACK.buffer);

/** sigaltstack(new, old) */
export function sysSigaltstack(kernel: Kernel, next: number, old: number): number {
  const { cpu, current } = kernel;
  const before = current.altStack;
  const on = onAltStack(current, cpu.registers.unsigned(Gpr.RSP));
  const state = before.bytes === 0 ? Ss.DISABLE : on ? Ss.ONSTACK : 0;
  if (next !== 0) {
    cpu.run(F._copy_from_user, 21);
    if (readUserBytes(kernel, next, STACK_BYTES) < 0) return -Errno.EFAULT;
    const result = doSigaltstack(kernel, {
      pointer: Number(STACK.getBigUint64(0, true)),
      flags: STACK.getUint32(8, true),
      bytes: Number(STACK.getBigUint64(16, true)),
    });
    if (result < 0) return result;
  }
  if (old === 0) return 0;
  STACK_BYTES.fill(0);
  STACK.setBigUint64(0, BigInt(before.pointer), true);
  STACK.setUint32(8, (state | (before.flags & Ss.AUTODISARM)) >>> 0, true);
  STACK.setBigUint64(16, BigInt(before.bytes), true);
  return writeUserBytes(kernel, old, STACK_BYTES) < 0 ? -Errno.EFAULT : 0;
}
