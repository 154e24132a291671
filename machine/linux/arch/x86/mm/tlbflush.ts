/**
 * Address spaces on a CPU: CR3, PCIDs, TLB flushes; after Linux 6.1 arch/x86/mm/tlb.c and the CR3
 * switching of arch/x86/entry/calling.h. With PTI an address space has two top tables, the kernel's
 * and, 4 KiB above, the user's, and two PCIDs. Omits: lazy TLB, shootdown to other CPUs.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { MmStruct } from '../../../include/linux/mm_types.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { PerCpu } from '../model/address-map.ts';
import { F } from '../model/generated/function-ids.ts';

/** Bit 11 of the PCID names the user's half (X86_CR3_PTI_PCID_USER_BIT). */
export const PTI_USER_PCID = 0x800;
/** The user's top table follows the kernel's. */
export const PTI_USER_PGD = 4096;
/** tlb_single_page_flush_ceiling: more pages than this flush the whole address space. */
const FLUSH_CEILING = 33;

const kernelPcid = (kernel: Kernel, mm: MmStruct): number => (kernel.config.pcid ? mm.asid : 0);

const userPcid = (kernel: Kernel, mm: MmStruct): number =>
  kernel.config.pcid ? mm.asid | (kernel.config.pti ? PTI_USER_PCID : 0) : 0;

/** Loads the address space without a charge: at boot, exec and exit. */
export function loadAddressSpace(kernel: Kernel, mm: MmStruct | null): void {
  const { hardware, number } = kernel.cpu;
  // User code runs in an address space that it has; without one there is none to run.
  kernel.platform.code.switchCodeSpace(number, mm?.address ?? 0);
  if (mm === null) hardware.loadCr3(kernel.swapperPgd, 0, false, 'both');
  else hardware.loadCr3(mm.pgd, kernelPcid(kernel, mm), false, 'both');
}

/** The first way to user mode after exec, without a charge. */
export function loadUserSpace(kernel: Kernel, mm: MmStruct): void {
  const { config, cpu } = kernel;
  if (config.pti) {
    cpu.hardware.loadCr3(mm.pgd + PTI_USER_PGD, userPcid(kernel, mm), config.pcid, 'user');
  }
}

/**
 * SWITCH_TO_KERNEL_CR3, when PTI is on: called before the first kernel text is fetched. The real
 * entry code runs its first lines on the user's table, through text that both tables map.
 */
export function loadKernelCr3(kernel: Kernel, mm: MmStruct): void {
  kernel.cpu.hardware.loadCr3(mm.pgd, kernelPcid(kernel, mm), kernel.config.pcid, 'kernel');
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
  cpu.hardware.loadCr3(mm.pgd + PTI_USER_PGD, userPcid(kernel, mm), config.pcid, 'user');
}

/** Addresses [start, end). */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/**
 * flush_tlb_mm_range on the only CPU that runs the address space. Decoded code of `changed` goes too:
 * the mappings that changed, when more than those are flushed.
 */
export function flushTlbMmRange(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  changed: AddressRange = { start, end },
): void {
  const { cpu } = kernel;
  mm.generation++;
  kernel.platform.code.invalidateCode(mm.address, changed.start, changed.end);
  cpu.run(F.flush_tlb_mm_range, 72);
  cpu.write(mm.address + 128);
  cpu.writePerCpu(PerCpu.CR3_STATE);
  cpu.runCalls(F._find_next_bit, 21, 2);
  const pages = (end - start) / 4096;
  if (pages > FLUSH_CEILING) flushAll(kernel, mm);
  else flushPages(kernel, mm, start, pages);
}

function flushAll(kernel: Kernel, mm: MmStruct): void {
  const { cpu, config } = kernel;
  cpu.run(F.flush_tlb_func, 58);
  cpu.run(F.native_flush_tlb_local, 10);
  cpu.charge(Cause.TRANSITION, cpu.ticks.cr3Write);
  cpu.run(F.invalidate_user_asid, 2);
  cpu.hardware.invalidateSpace(kernelPcid(kernel, mm));
  if (config.pti) cpu.hardware.invalidateSpace(userPcid(kernel, mm));
}

function flushPages(kernel: Kernel, mm: MmStruct, start: number, pages: number): void {
  const { cpu, config } = kernel;
  cpu.run(F.flush_tlb_func, 76 + 5 * pages);
  cpu.runCalls(F.native_flush_tlb_one_user, 16 * pages, pages);
  cpu.charge(Cause.TRANSITION, pages * cpu.ticks.invlpg);
  for (let i = 0; i < pages; i++) {
    const address = start + i * 4096;
    const low = address >>> 0;
    const high = Math.floor(address / 2 ** 32);
    cpu.hardware.invalidatePage(low, high, kernelPcid(kernel, mm));
    if (config.pti) cpu.hardware.invalidatePage(low, high, userPcid(kernel, mm));
  }
}
