/** Exceptions other than page faults, after Linux 6.1 arch/x86/kernel/traps.c: each raises a signal. */
import { Cause } from '../../../../core/ledger/cause.ts';
import { Sig } from '../../../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { hasExitWork, irqentryEnter, irqentryExit } from '../../../kernel/entry/common.ts';
import { FaultCode, SiCode } from '../../../include/linux/signal_types.ts';
import { forceSig, forceSigFault } from '../../../kernel/signal-send.ts';
import { Cpu } from '../../../../hardware/layout.ts';
import type { Registers } from '../model/registers.ts';
import { exceptionEntry, exceptionExit } from '../entry/entry_64.ts';
import { returnToUser } from './irq.ts';
import { F } from '../model/generated/function-ids.ts';

interface Trap {
  readonly signal: Sig;
  /** si_code; SI_KERNEL goes without an address. */
  readonly code: FaultCode | SiCode.KERNEL;
  readonly reason: string;
}

/** By vector. */
const TRAPS: Readonly<Record<number, Trap>> = {
  0: { signal: Sig.FPE, code: FaultCode.FPE_INTDIV, reason: 'divide error' },
  1: { signal: Sig.TRAP, code: FaultCode.TRAP_TRACE, reason: 'debug exception' },
  3: { signal: Sig.TRAP, code: SiCode.KERNEL, reason: 'breakpoint' },
  4: { signal: Sig.SEGV, code: SiCode.KERNEL, reason: 'overflow' },
  6: { signal: Sig.ILL, code: FaultCode.ILL_ILLOPN, reason: 'invalid opcode' },
  13: { signal: Sig.SEGV, code: SiCode.KERNEL, reason: 'general protection fault' },
  16: { signal: Sig.FPE, code: FaultCode.FPE_FLTINV, reason: 'x87 floating-point exception' },
  17: { signal: Sig.BUS, code: FaultCode.BUS_ADRALN, reason: 'alignment check' },
  19: { signal: Sig.FPE, code: FaultCode.FPE_FLTINV, reason: 'SIMD floating-point exception' },
};

const UD_VECTOR = 6;
/** Vectors of the x87 and SSE exceptions, whose code says which flag was raised. */
const X87_VECTOR = 16;
const SIMD_VECTOR = 19;

/** fpu__exception_code: the first unmasked exception in Linux's order. */
function floatingPointCode({ view }: Registers, vector: number): FaultCode {
  const x87 = vector === X87_VECTOR;
  const status = view.getUint32(x87 ? Cpu.X87_STATUS : Cpu.MXCSR, true);
  const control = x87 ? view.getUint32(Cpu.X87_CONTROL, true) : status >>> 7;
  const raised = status & ~control;
  if ((raised & 0x01) !== 0) return FaultCode.FPE_FLTINV;
  if ((raised & 0x04) !== 0) return FaultCode.FPE_FLTDIV;
  if ((raised & 0x08) !== 0) return FaultCode.FPE_FLTOVF;
  if ((raised & 0x12) !== 0) return FaultCode.FPE_FLTUND;
  return (raised & 0x20) !== 0 ? FaultCode.FPE_FLTRES : FaultCode.FPE_FLTINV;
}

const OTHER: Trap = { signal: Sig.SEGV, code: SiCode.KERNEL, reason: 'exception' };

/** One exception of `vector`, from the gate to the way back. */
export function exception(kernel: Kernel, vector: number): void {
  const { cpu, current } = kernel;
  const trap = TRAPS[vector] ?? OTHER;
  exceptionEntry(kernel, F.asm_exc_general_protection, 9, false);
  // KVM intercepts #UD to emulate instructions, and hands it back.
  if (vector === UD_VECTOR) cpu.charge(Cause.TRANSITION, cpu.ticks.vmExit);
  cpu.run(F.do_error_trap, 40);
  irqentryEnter(kernel);
  current.trap = { vector, error: 0, address: current.trap.address };
  if (trap.code === SiCode.KERNEL) {
    forceSig(kernel, trap.signal, trap.reason);
  } else {
    const floats = vector === X87_VECTOR || vector === SIMD_VECTOR;
    const code = floats ? floatingPointCode(cpu.registers, vector) : trap.code;
    forceSigFault(kernel, trap.signal, code, BigInt(cpu.registers.rip), trap.reason);
  }
  if (hasExitWork(kernel)) {
    kernel.current.work = returnToUser(kernel);
    return;
  }
  irqentryExit(kernel);
  exceptionExit(kernel);
}
