/** Exceptions other than page faults, after Linux 6.1 arch/x86/kernel/traps.c: each raises a signal. */
import { Sig } from '../../../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { hasExitWork, irqentryEnter, irqentryExit } from '../../../kernel/entry/common.ts';
import { forceSignal } from '../../../kernel/signal.ts';
import { exceptionEntry, exceptionExit } from '../entry/entry_64.ts';
import { returnToUser } from './irq.ts';
import { F } from '../model/generated/function-ids.ts';

interface Trap {
  readonly signal: Sig;
  readonly reason: string;
  /** Whether the report's address is that of the instruction. */
  readonly atInstruction: boolean;
}

/** By vector. */
const TRAPS: Readonly<Record<number, Trap>> = {
  0: { signal: Sig.FPE, reason: 'divide error', atInstruction: true },
  1: { signal: Sig.TRAP, reason: 'debug exception', atInstruction: true },
  3: { signal: Sig.TRAP, reason: 'breakpoint', atInstruction: true },
  4: { signal: Sig.SEGV, reason: 'overflow', atInstruction: false },
  6: { signal: Sig.ILL, reason: 'invalid opcode', atInstruction: true },
  13: { signal: Sig.SEGV, reason: 'general protection fault', atInstruction: false },
  16: { signal: Sig.FPE, reason: 'x87 floating-point exception', atInstruction: true },
  17: { signal: Sig.BUS, reason: 'alignment check', atInstruction: false },
  19: { signal: Sig.FPE, reason: 'SIMD floating-point exception', atInstruction: true },
};

const OTHER: Trap = { signal: Sig.SEGV, reason: 'exception', atInstruction: false };

/** One exception of `vector`, from the gate to the way back. */
export function exception(kernel: Kernel, vector: number): void {
  const { cpu } = kernel;
  const trap = TRAPS[vector] ?? OTHER;
  exceptionEntry(kernel, F.asm_exc_general_protection, 9, false);
  cpu.run(F.do_error_trap, 40);
  irqentryEnter(kernel);
  const address = trap.atInstruction ? BigInt(cpu.registers.rip) : 0n;
  forceSignal(kernel, trap.signal, { address, reason: trap.reason });
  if (hasExitWork(kernel)) {
    kernel.current.work = returnToUser(kernel);
    return;
  }
  irqentryExit(kernel);
  exceptionExit(kernel);
}
