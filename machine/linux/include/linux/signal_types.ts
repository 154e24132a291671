/**
 * What is known about one signal, and the signals that wait, after Linux 6.1
 * include/linux/signal_types.h and include/uapi/asm-generic/siginfo.h.
 */
import type { WaitQueueHead } from '../../kernel/sched/wait.ts';
import type { Kernel } from '../../init/kernel.ts';

/** Bytes of kernel_siginfo, and of siginfo_t as user code sees it. */
const KERNEL_BYTES = 48;
export const SIGINFO_BYTES = 128;

/** si_code of signals from processes and the kernel. */
export const enum SiCode {
  USER = 0,
  KERNEL = 0x80,
  QUEUE = -1,
  TIMER = -2,
  MESGQ = -3,
  TKILL = -6,
}

/** si_code of the signals of exceptions. */
export const enum FaultCode {
  ILL_ILLOPN = 2,
  FPE_INTDIV = 1,
  FPE_FLTDIV = 3,
  FPE_FLTOVF = 4,
  FPE_FLTUND = 5,
  FPE_FLTRES = 6,
  FPE_FLTINV = 7,
  SEGV_MAPERR = 1,
  SEGV_ACCERR = 2,
  BUS_ADRALN = 1,
  BUS_ADRERR = 2,
  TRAP_BRKPT = 1,
  TRAP_TRACE = 2,
}

/** si_code of SIGCHLD. */
export const enum ChildCode {
  EXITED = 1,
  KILLED = 2,
  DUMPED = 3,
  TRAPPED = 4,
  STOPPED = 5,
  CONTINUED = 6,
}

/** Offsets in siginfo_t on x86-64. */
const enum At {
  SIGNO = 0,
  ERRNO = 4,
  CODE = 8,
  PID = 16,
  UID = 20,
  VALUE = 24,
  STATUS = 24,
  UTIME = 32,
  STIME = 40,
  ADDRESS = 16,
  SYSCALL = 24,
  ARCH = 28,
}

/** kernel_siginfo: the bytes that user code would see, without the padding. */
export class SigInfo {
  readonly bytes = new Uint8Array(KERNEL_BYTES);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(signal: number, code: number) {
    this.view.setInt32(At.SIGNO, signal, true);
    this.view.setInt32(At.CODE, code, true);
  }

  get signal(): number {
    return this.view.getInt32(At.SIGNO, true);
  }

  set signal(value: number) {
    this.view.setInt32(At.SIGNO, value, true);
  }

  get code(): number {
    return this.view.getInt32(At.CODE, true);
  }

  get errno(): number {
    return this.view.getInt32(At.ERRNO, true);
  }

  /** Of signals from processes. */
  get pid(): number {
    return this.view.getInt32(At.PID, true);
  }

  /** Of signals of exceptions. */
  get address(): bigint {
    return this.view.getBigUint64(At.ADDRESS, true);
  }

  /** A signal from process `pid` of `uid`. */
  static from(signal: number, code: number, pid: number, uid: number): SigInfo {
    const info = new SigInfo(signal, code);
    info.view.setInt32(At.PID, pid, true);
    info.view.setUint32(At.UID, uid, true);
    return info;
  }

  static fault(signal: number, code: number, address: bigint): SigInfo {
    const info = new SigInfo(signal, code);
    info.view.setBigUint64(At.ADDRESS, address, true);
    return info;
  }

  /** SIGSYS: the call that did not happen, and who made it where. */
  static systemCall(
    signal: number,
    code: number,
    call: {
      readonly errno: number;
      readonly address: bigint;
      readonly number: number;
      readonly arch: number;
    },
  ): SigInfo {
    const info = SigInfo.fault(signal, code, call.address);
    info.view.setInt32(At.ERRNO, call.errno, true);
    info.view.setInt32(At.SYSCALL, call.number, true);
    info.view.setUint32(At.ARCH, call.arch, true);
    return info;
  }

  /** SIGCHLD about a task; times in clock ticks of 1/100 s. */
  static child(code: ChildCode, child: ChildReport): SigInfo {
    const info = SigInfo.from(child.signal, code, child.pid, child.uid);
    info.view.setInt32(At.STATUS, child.status, true);
    info.view.setBigInt64(At.UTIME, BigInt(child.userTicks), true);
    info.view.setBigInt64(At.STIME, BigInt(child.systemTicks), true);
    return info;
  }

  /** A POSIX timer's expiry: its id, how many were missed, the value it was made with. */
  static timer(signal: number, id: number, overrun: number, value: bigint): SigInfo {
    const info = new SigInfo(signal, SiCode.TIMER);
    info.view.setInt32(At.PID, id, true);
    info.view.setInt32(At.UID, overrun, true);
    info.view.setBigUint64(At.VALUE, value, true);
    return info;
  }

  /** How many expiries of its timer were missed, known when the signal is taken. */
  setOverrun(overrun: number): void {
    this.view.setInt32(At.UID, overrun, true);
  }

  /** siginfo_t from user memory. */
  static raw(bytes: Uint8Array): SigInfo {
    const info = new SigInfo(0, 0);
    info.bytes.set(bytes.subarray(0, KERNEL_BYTES));
    return info;
  }
}

export interface ChildReport {
  /** SIGCHLD, or another one that clone() named. */
  readonly signal: number;
  readonly pid: number;
  readonly uid: number;
  /** Exit code or signal. */
  readonly status: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** One queued signal. */
export interface SigQueue {
  /** Physical address of the object; 0 when it belongs to its sender (a timer). */
  readonly address: number;
  readonly info: SigInfo;
  /** Why it was raised, for the report of a fatal signal. */
  readonly reason: string;
  /** Called when the signal is taken from the queue: a timer counts on. */
  readonly onDequeue?: (kernel: Kernel, info: SigInfo) => void;
}

/** sigpending */
export interface SigPending {
  /** Bit n - 1 for signal n. */
  set: bigint;
  /** Oldest first. */
  readonly queue: SigQueue[];
}

export const noPending = (): SigPending => ({ set: 0n, queue: [] });

/** k_sigaction: what a process does with one signal. */
export interface SignalAction {
  /** 0 SIG_DFL, 1 SIG_IGN, else the handler's address. */
  handler: bigint;
  flags: bigint;
  restorer: bigint;
  mask: bigint;
}

/** sighand_struct, which clone(CLONE_SIGHAND) shares. */
export interface SighandStruct {
  /** Physical address of the object; its lock is the first thing in it. */
  readonly address: number;
  references: number;
  /** By signal number. */
  readonly actions: SignalAction[];
  /** signalfd_wqh: readers of signal descriptors. */
  readonly signalfd: WaitQueueHead;
}

/** sa_flags */
export const enum Sa {
  NOCLDSTOP = 0x1,
  NOCLDWAIT = 0x2,
  SIGINFO = 0x4,
  UNSUPPORTED = 0x400,
  EXPOSE_TAGBITS = 0x800,
  RESTORER = 0x04000000,
  ONSTACK = 0x08000000,
  RESTART = 0x10000000,
  NODEFER = 0x40000000,
  RESETHAND = 0x80000000,
}

/** ss_flags of sigaltstack. */
export const enum Ss {
  ONSTACK = 1,
  DISABLE = 2,
  AUTODISARM = 0x80000000,
}
