/**
 * Address spaces on a CPU: CR3, PCIDs, TLB flushes; after Linux 6.1 arch/x86/mm/tlb.c and the CR3
 * switching of arch/x86/entry/calling.h. With PTI an address space has two top tables, the kernel's
 * and, 4 KiB above, the user's, and two PCIDs. Flushes on other CPUs are in tlb.ts.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { Task } from '../../../include/linux/sched.ts';
import type { MmStruct } from '../../../include/linux/mm_types.ts';
import type { Kernel } from '../../../init/kernel.ts';
import type { Rq } from '../../../kernel/sched/sched.ts';
import { PerCpu, TASK_SIZE } from '../model/address-map.ts';
import { TlbFlushReason, traceTlbFlush } from '../../../trace/tlb.ts';
import { F } from '../model/generated/function-ids.ts';
import { chargeFlush, dropEntries, FLUSH_ALL, shootDown } from './tlb.ts';

/** Bit 11 of the PCID names the user's half (X86_CR3_PTI_PCID_USER_BIT). */
export const PTI_USER_PCID = 0x800;
/** The user's top table follows the kernel's. */
export const PTI_USER_PGD = 4096;
/** tlb_single_page_flush_ceiling: more pages than this flush the whole address space. */
const FLUSH_CEILING = 33;

const kernelPcid = ({ config, cpu }: Kernel): number => (config.pcid ? cpu.tlb.pcid : 0);

const userPcid = ({ config, cpu }: Kernel): number =>
  config.pcid ? cpu.tlb.pcid | (config.pti ? PTI_USER_PCID : 0) : 0;

/** Loads the address space without a charge: at boot, exec and exit. */
export function loadAddressSpace(kernel: Kernel, mm: MmStruct | null): void {
  const { hardware, tlb, number } = kernel.cpu;
  kernel.rqs[number].activeMm = mm;
  tlb.lazy = false;
  // User code runs in an address space that it has; without one there is none to run.
  kernel.platform.code.switchCodeSpace(number, mm?.address ?? 0);
  if (mm === null) {
    hardware.loadCr3(kernel.swapperTop, 0, false, 'both');
    return;
  }
  tlb.choose(mm);
  hardware.loadCr3(mm.top, kernelPcid(kernel), false, 'both');
  if (kernel.config.pcid && kernel.config.pti) hardware.invalidateSpace(userPcid(kernel));
}

/**
 * switch_mm_irqs_off: the address space of `next`. A kernel thread keeps its predecessor's
 * (enter_lazy_tlb), whose translations then may be out of date when a task comes back to it.
 */
export function switchMm(kernel: Kernel, rq: Rq, next: Task): void {
  const { cpu, config } = kernel;
  const { tlb } = cpu;
  const { mm } = next;
  if (mm === null) {
    cpu.run(F.enter_lazy_tlb, 5);
    tlb.lazy = true;
    return;
  }
  const wasLazy = tlb.lazy;
  tlb.lazy = false;
  if (mm === rq.activeMm) {
    if (!wasLazy) return;
    cpu.run(F.switch_mm_irqs_off, 38);
    cpu.read(mm.address + 128);
    if (!tlb.isBehind(mm)) return;
    tlb.caughtUp(mm);
    reload(kernel, mm, false);
    return;
  }
  rq.activeMm = mm;
  kernel.platform.code.switchCodeSpace(cpu.number, mm.address);
  cpu.run(F.switch_mm_irqs_off, 61);
  cpu.write(mm.address + 128);
  cpu.writePerCpu(PerCpu.CR3_STATE);
  cpu.run(F.load_new_mm_cr3, 27);
  cpu.run(F.invalidate_user_asid, 2);
  cpu.run(F.cr4_update_irqsoff, 9);
  cpu.run(F.switch_ldt, 11);
  reload(kernel, mm, tlb.choose(mm) && config.pcid);
}

/** load_new_mm_cr3; `keep` what the PCID holds already. */
function reload(kernel: Kernel, mm: MmStruct, keep: boolean): void {
  const { cpu, config } = kernel;
  cpu.charge(Cause.TRANSITION, keep ? cpu.ticks.cr3WriteNoFlush : cpu.ticks.cr3Write);
  cpu.hardware.loadCr3(mm.top, kernelPcid(kernel), keep, 'both');
  if (keep) return;
  if (config.pcid && config.pti) cpu.hardware.invalidateSpace(userPcid(kernel));
  traceTlbFlush(kernel, TlbFlushReason.ON_TASK_SWITCH, FLUSH_ALL);
}

/** The first way to user mode after exec, without a charge. */
export function loadUserSpace(kernel: Kernel, mm: MmStruct): void {
  const { config, cpu } = kernel;
  if (config.pti) {
    cpu.hardware.loadCr3(mm.top + PTI_USER_PGD, userPcid(kernel), config.pcid, 'user');
  }
}

/**
 * SWITCH_TO_KERNEL_CR3, when PTI is on: called before the first kernel text is fetched. The real
 * entry code runs its first lines on the user's table, through text that both tables map.
 */
export function loadKernelCr3(kernel: Kernel, mm: MmStruct): void {
  kernel.cpu.hardware.loadCr3(mm.top, kernelPcid(kernel), kernel.config.pcid, 'kernel');
}

/** What that switch costs the function that runs. */
export function chargeKernelCr3({ cpu, config }: Kernel): void {
  cpu.chargeInstructions(Cause.MITIGATION_PTI, config.pcid ? 5 : 4);
  cpu.charge(Cause.MITIGATION_PTI, config.pcid ? cpu.ticks.cr3WriteNoFlush : cpu.ticks.cr3Write);
}

/** SWITCH_TO_USER_CR3: the last thing that the kernel does. */
export function switchToUserCr3(kernel: Kernel, mm: MmStruct): void {
  const { cpu, config } = kernel;
  cpu.chargeInstructions(Cause.MITIGATION_PTI, config.pcid ? 12 : 5);
  cpu.readPerCpu(PerCpu.CR3_STATE);
  cpu.charge(Cause.MITIGATION_PTI, config.pcid ? cpu.ticks.cr3WriteNoFlush : cpu.ticks.cr3Write);
  cpu.hardware.loadCr3(mm.top + PTI_USER_PGD, userPcid(kernel), config.pcid, 'user');
}

/** flush_tlb_mm_range: here, and on the other CPUs that have the address space. */
export function flushTlbMmRange(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  freedTables = false,
): void {
  const { cpu, rqs } = kernel;
  mm.generation++;
  // All of it is flushed when tables were freed or pages write-protected: no code is gone by that.
  if (end - start < TASK_SIZE) kernel.platform.code.invalidateCode(mm.address, start, end);
  cpu.run(F.flush_tlb_mm_range, 72);
  cpu.write(mm.address + 128);
  cpu.writePerCpu(PerCpu.CR3_STATE);
  cpu.runCalls(F._find_next_bit, 21, 2);
  const count = (end - start) / 4096;
  const range = { start, pages: count > FLUSH_CEILING ? FLUSH_ALL : count };
  shootDown(kernel, mm, range, freedTables);
  if (rqs[cpu.number].activeMm !== mm) return;
  chargeFlush(cpu, range);
  dropEntries(kernel, cpu, range);
  cpu.tlb.caughtUp(mm);
  const all = range.pages === FLUSH_ALL;
  const reason = all ? TlbFlushReason.LOCAL_MM_SHOOTDOWN : TlbFlushReason.LOCAL_SHOOTDOWN;
  traceTlbFlush(kernel, reason, range.pages);
}
