/**
 * Which address spaces a CPU's TLB may hold, and flushes on other CPUs; after Linux 6.1
 * arch/x86/mm/tlb.c (tlb_state, choose_new_asid, flush_tlb_multi) and kernel/smp.c. Omits: the
 * hypervisor's paravirtual flush, IBPB on switches.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import type { MmStruct } from '../../../include/linux/mm_types.ts';
import type { Kernel } from '../../../init/kernel.ts';
import type { Rq } from '../../../kernel/sched/sched.ts';
import { TlbFlushReason, traceTlbFlush } from '../../../trace/tlb.ts';
import { PerCpu } from '../model/address-map.ts';
import type { KernelCpu } from '../model/kernel-cpu.ts';
import { F } from '../model/generated/function-ids.ts';

/** TLB_NR_DYN_ASIDS */
const ASIDS = 6;
/** CALL_FUNCTION_SINGLE_VECTOR */
const CALL_FUNCTION_GATE = { stub: F.asm_sysvec_call_function_single, vector: 0xfb };
/** TLB_FLUSH_ALL as a number of pages. */
export const FLUSH_ALL = Infinity;

/** tlb_state of one CPU: the address spaces that its PCIDs stand for. */
export class TlbState {
  private readonly spaces = new Array<MmStruct | null>(ASIDS).fill(null);
  /** Generation of each at the time of its last flush here. */
  private readonly generations = new Float64Array(ASIDS);
  private next = 0;
  /** The loaded one's slot. */
  slot = 0;
  /** A kernel thread runs on a borrowed table: flushes can wait until a task comes back to it. */
  lazy = false;

  /** The PCID of the loaded address space: slots count from 1, as PCID 0 is the boot's. */
  get pcid(): number {
    return this.slot + 1;
  }

  /** choose_new_asid: makes `mm` the loaded one. True when what its PCID holds is still good. */
  choose(mm: MmStruct): boolean {
    for (let slot = 0; slot < ASIDS; slot++) {
      if (this.spaces[slot] !== mm) continue;
      this.slot = slot;
      const good = this.generations[slot] === mm.generation;
      this.generations[slot] = mm.generation;
      return good;
    }
    this.slot = this.next;
    this.next = (this.next + 1) % ASIDS;
    this.spaces[this.slot] = mm;
    this.generations[this.slot] = mm.generation;
    return false;
  }

  /** Whether the loaded address space changed since its entries here were flushed. */
  isBehind(mm: MmStruct): boolean {
    return this.generations[this.slot] !== mm.generation;
  }

  /** The loaded address space is flushed up to its generation. */
  caughtUp(mm: MmStruct): void {
    this.generations[this.slot] = mm.generation;
  }

  /** The address space is gone; another may get the same address. */
  forget(mm: MmStruct): void {
    const slot = this.spaces.indexOf(mm);
    if (slot >= 0) this.spaces[slot] = null;
  }
}

/** What is flushed, on whichever CPU. */
export interface FlushRange {
  readonly start: number;
  /** FLUSH_ALL for everything. */
  readonly pages: number;
}

/** Drops the entries of a CPU's loaded address space, without a charge. */
export function dropEntries(kernel: Kernel, cpu: KernelCpu, range: FlushRange): void {
  const { hardware, tlb } = cpu;
  const { pcid: usesPcid, pti } = kernel.config;
  const pcid = usesPcid ? tlb.pcid : 0;
  const userPcid = pcid | (pti && usesPcid ? 0x800 : 0);
  if (range.pages === FLUSH_ALL) {
    hardware.invalidateSpace(pcid);
    if (userPcid !== pcid) hardware.invalidateSpace(userPcid);
    return;
  }
  for (let i = 0; i < range.pages; i++) {
    const address = range.start + i * 4096;
    const [low, high] = [address >>> 0, Math.floor(address / 2 ** 32)];
    hardware.invalidatePage(low, high, pcid);
    if (userPcid !== pcid) hardware.invalidatePage(low, high, userPcid);
  }
}

/** flush_tlb_func: what the flush costs the CPU that does it. */
export function chargeFlush(cpu: KernelCpu, { pages }: FlushRange): void {
  if (pages === FLUSH_ALL) {
    cpu.run(F.flush_tlb_func, 58);
    cpu.run(F.native_flush_tlb_local, 10);
    cpu.charge(Cause.TRANSITION, cpu.ticks.cr3Write);
    cpu.run(F.invalidate_user_asid, 2);
    return;
  }
  cpu.run(F.flush_tlb_func, 76 + 5 * pages);
  cpu.runCalls(F.native_flush_tlb_one_user, 16 * pages, pages);
  cpu.charge(Cause.TRANSITION, pages * cpu.ticks.invlpg);
}

/**
 * flush_tlb_multi: the other CPUs that have `mm` loaded are interrupted, and this one waits for
 * them. Their entries are void from now on, since the kernel's operations run one after the other;
 * the interrupt brings the cost. Without freed tables, CPUs that run no task may flush later.
 */
export function shootDown(
  kernel: Kernel,
  mm: MmStruct,
  range: FlushRange,
  freedTables: boolean,
): void {
  const { cpu, rqs } = kernel;
  let targets = 0;
  let looked = 0;
  for (const rq of rqs) {
    if (rq.cpu === cpu || rq.activeMm !== mm) continue;
    looked++;
    if (rq.cpu.tlb.lazy && !freedTables) continue;
    targets++;
    interruptForFlush(kernel, rq, mm, range);
  }
  if (looked === 0) return;
  if (!freedTables) cpu.runCalls(F.should_flush_tlb, 21 * looked, looked);
  cpu.run(F.native_flush_tlb_multi, 19);
  cpu.run(F.smp_call_function_many_cond, 185);
  if (targets === 0) return;
  cpu.runCalls(F.send_call_function_single_ipi, 10 * targets, targets);
  cpu.runCalls(F.native_send_call_func_single_ipi, 5 * targets, targets);
  cpu.runCalls(F.native_apic_mem_write, 3 * targets, targets);
  cpu.continueIn(F.smp_call_function_many_cond);
  cpu.charge(Cause.TRANSITION, targets * cpu.ticks.ipiSend);
  traceTlbFlush(kernel, TlbFlushReason.REMOTE_SEND_IPI, range.pages);
  // csd_lock_wait: until the last one has acknowledged. Their handlers run side by side.
  cpu.charge(Cause.LOCK_SPIN, cpu.ticks.ipiDelivery + handlerTicks(cpu, range));
}

/** Ticks from a target's interrupt gate to its acknowledgement, caches warm. */
function handlerTicks({ ticks }: KernelCpu, { pages }: FlushRange): number {
  const HANDLER_INSTRUCTIONS = 150;
  const flush = pages === FLUSH_ALL ? ticks.cr3Write : pages * ticks.invlpg;
  return ticks.interruptEntry + HANDLER_INSTRUCTIONS * ticks.instruction + flush;
}

function interruptForFlush(kernel: Kernel, target: Rq, mm: MmStruct, range: FlushRange): void {
  const { cpu } = kernel;
  const { tlb } = target.cpu;
  // A CPU that only borrows the table drops all of it, and catches up once.
  dropEntries(kernel, target.cpu, tlb.lazy ? { start: 0, pages: FLUSH_ALL } : range);
  tlb.caughtUp(mm);
  target.events.schedule(cpu.now + cpu.ticks.ipiDelivery, () => {
    kernel.interrupt(kernel, CALL_FUNCTION_GATE, () => {
      const here = kernel.cpu;
      here.run(F.sysvec_call_function_single, 17);
      here.run(F.__sysvec_call_function_single, 12);
      here.run(F.generic_smp_call_function_single_interrupt, 3);
      here.run(F.__flush_smp_call_function_queue, 48);
      here.writePerCpu(PerCpu.CR3_STATE);
      here.read(mm.address + 128);
      chargeFlush(here, range);
      traceTlbFlush(kernel, TlbFlushReason.REMOTE_SHOOTDOWN, range.pages);
    });
  });
}
