/** Page faults from user mode, after Linux 6.1 arch/x86/mm/fault.c. Omits: kernel-mode faults. */
import { PageFaultCode } from '../../../../hardware/layout.ts';
import { Sig } from '../../../include/uapi/asm-generic/signal.ts';
import { Vm, type Vma } from '../../../include/linux/mm_types.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { hasExitWork, irqentryEnter, irqentryExit } from '../../../kernel/entry/common.ts';
import { downReadTrylock, upRead } from '../../../kernel/locking/rwsem.ts';
import { condResched } from '../../../kernel/sched/cond_resched.ts';
import { FaultCode } from '../../../include/linux/signal_types.ts';
import { forceSigFault } from '../../../kernel/signal-send.ts';
import { findVma } from '../../../lib/maple_tree.ts';
import { handleMmFault } from '../../../mm/memory.ts';
import { Fault } from '../../../include/linux/fault.ts';
import { outOfMemory } from '../../../mm/oom_kill.ts';
import { expandStack } from '../../../mm/stack.ts';
import { tracePageFaultUser } from '../../../trace/exceptions.ts';
import { exceptionEntry, exceptionExit } from '../entry/entry_64.ts';
import { TASK_SIZE } from '../model/address-map.ts';
import { returnToUser } from '../kernel/irq.ts';
import { F } from '../model/generated/function-ids.ts';

const TWO_32 = 2 ** 32;
const PAGE_FAULT_VECTOR = 14;

/** asm_exc_page_fault. The CPU's exit fields hold what CR2 and the error code would. */
export function pageFault(kernel: Kernel): void {
  const { cpu } = kernel;
  const { registers } = cpu;
  const code = registers.exitInfo;
  const high = registers.exitAddressHigh;
  const address = (high | 0) * TWO_32 + registers.exitAddressLow;
  exceptionEntry(kernel, F.asm_exc_page_fault, 9, false);
  cpu.run(F.exc_page_fault, 40);
  tracePageFaultUser(kernel);
  kernel.counts.pageFaults++;
  irqentryEnter(kernel);
  doUserAddrFault(kernel, address, code);
  if (hasExitWork(kernel)) {
    kernel.current.work = returnToUser(kernel);
    return;
  }
  irqentryExit(kernel);
  exceptionExit(kernel);
}

function doUserAddrFault(kernel: Kernel, address: number, code: number): void {
  const { cpu, current } = kernel;
  const { mm } = current;
  const write = (code & PageFaultCode.WRITE) !== 0;
  cpu.run(F.do_user_addr_fault, write ? 99 : 101);
  cpu.stack(192, 2);
  if (mm === null || address < 0 || address >= TASK_SIZE) {
    // Whether a kernel address is mapped stays a secret: the code says that it is.
    const secret = code | PageFaultCode.PRESENT;
    badArea(kernel, address, { code: secret, mapped: false, why: 'the address is not user space' });
    return;
  }
  cpu.run(F.lock_mm_and_find_vma, 33);
  downReadTrylock(cpu, mm.address + 64);
  condResched(cpu);
  let vma = findVma(cpu, mm.vmas, address);
  if (vma !== undefined && vma.start > address && !expandStack(kernel, mm, vma, address)) {
    vma = undefined;
  }
  const problem = vma === undefined ? 'nothing is mapped there' : accessError(vma, code);
  if (vma === undefined || problem !== null) {
    upRead(cpu, mm.address + 64);
    badArea(kernel, address, { code, mapped: vma !== undefined, why: problem ?? '' });
    return;
  }
  const outcome = handleMmFault(kernel, mm, vma, address, { write });
  upRead(cpu, mm.address + 64);
  if (outcome === Fault.DONE) {
    // mm_account_fault: files are in memory, so no fault is a major one.
    current.usage.minorFaults++;
    return;
  }
  if (outcome === Fault.BUS_ERROR) {
    forceSigFault(
      kernel,
      Sig.BUS,
      FaultCode.BUS_ADRERR,
      BigInt(address),
      'the page lies beyond the end of the mapped file',
    );
  } else {
    outOfMemory(kernel);
  }
}

/** access_error: why the mapping does not allow the access, or null. */
function accessError({ flags }: Vma, code: number): string | null {
  if ((code & PageFaultCode.WRITE) !== 0) {
    return (flags & Vm.WRITE) === 0 ? 'the mapping is not writable' : null;
  }
  if ((code & PageFaultCode.FETCH) !== 0) {
    return (flags & Vm.EXEC) === 0 ? 'the mapping is not executable' : null;
  }
  return (flags & Vm.ACCESS) === 0 ? 'the mapping allows no access' : null;
}

interface BadAccess {
  /** The processor's error code. */
  readonly code: number;
  /** The mapping is there, but does not allow it. */
  readonly mapped: boolean;
  readonly why: string;
}

function badArea(kernel: Kernel, address: number, { code, mapped, why }: BadAccess): void {
  const { cpu, current } = kernel;
  if (mapped) cpu.run(F.bad_area_access_error, 7);
  cpu.run(F.__bad_area, 29);
  cpu.run(F.__bad_area_nosemaphore, 73);
  cpu.run(F.is_prefetch, 22);
  cpu.run(F.fixup_vdso_exception, 36);
  cpu.run(F.unhandled_signal, 13);
  const what =
    (code & PageFaultCode.FETCH) !== 0
      ? 'instruction fetch'
      : (code & PageFaultCode.WRITE) !== 0
        ? 'write'
        : 'read';
  const reason = `${what}: ${why}`;
  const wide = BigInt.asUintN(64, BigInt(address));
  current.trap = { vector: PAGE_FAULT_VECTOR, error: code, address: wide };
  const kind = mapped ? FaultCode.SEGV_ACCERR : FaultCode.SEGV_MAPERR;
  forceSigFault(kernel, Sig.SEGV, kind, wide, reason);
}
