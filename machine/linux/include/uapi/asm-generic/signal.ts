/** Signals of x86-64, after Linux 6.1 arch/x86/include/uapi/asm/signal.h and signal-defs.h. */

export const enum Sig {
  HUP = 1,
  INT = 2,
  QUIT = 3,
  ILL = 4,
  TRAP = 5,
  ABRT = 6,
  BUS = 7,
  FPE = 8,
  KILL = 9,
  USR1 = 10,
  SEGV = 11,
  USR2 = 12,
  PIPE = 13,
  ALRM = 14,
  TERM = 15,
  STKFLT = 16,
  CHLD = 17,
  CONT = 18,
  STOP = 19,
  TSTP = 20,
  TTIN = 21,
  TTOU = 22,
  URG = 23,
  XCPU = 24,
  XFSZ = 25,
  VTALRM = 26,
  PROF = 27,
  WINCH = 28,
  IO = 29,
  PWR = 30,
  SYS = 31,
  MAX = 64,
}

/** By number; 32 and up are SIGRTMIN and so on. */
export const SIGNAL_NAMES: readonly string[] = (
  ' HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP ' +
  'TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
)
  .split(' ')
  .map((name) => (name === '' ? '' : `SIG${name}`));

export function signalName(signal: number): string {
  return SIGNAL_NAMES[signal] ?? `SIGRT${signal - 32}`;
}

/** Signals whose default is to do nothing (SIG_KERNEL_IGNORE_MASK and SIGCONT of a running task). */
export const DEFAULT_IGNORED: readonly number[] = [Sig.CHLD, Sig.CONT, Sig.URG, Sig.WINCH];

export const SIG_DFL = 0n;
export const SIG_IGN = 1n;
