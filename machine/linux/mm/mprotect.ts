/** mprotect, after Linux 6.1 mm/mprotect.c. Omits: protection keys, huge pages, userfaultfd. */
import { Cause } from '../../core/ledger/cause.ts';
import { findPte, NX_HIGH, Pte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Prot } from '../include/uapi/asm-generic/mman.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { masFind, masFindNext, masPrev } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { HUGE_BYTES, hugeEntry, splitPmdAt } from './huge_memory.ts';
import { PageFlag } from './mem_map.ts';
import { populate } from './gup.ts';
import { mayExpandVm, vmEnoughMemory, vmStatAccount } from './overcommit.ts';
import { vmaModify } from './vma.ts';

/** do_mprotect_pkey */
export function doMprotect(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  length: number,
  prot: number,
): number {
  const { cpu } = kernel;
  cpu.run(F.do_mprotect_pkey, 164);
  cpu.stack(192, 2);
  if (start % PAGE_BYTES !== 0) return -Errno.EINVAL;
  if (length === 0) return 0;
  const end = start + pageAlign(length);
  if (end <= start || end > TASK_SIZE) return -Errno.ENOMEM;
  const grows = prot & (Prot.GROWSDOWN | Prot.GROWSUP);
  if (grows === (Prot.GROWSDOWN | Prot.GROWSUP)) return -Errno.EINVAL;
  if ((prot & ~(Prot.READ | Prot.WRITE | Prot.EXEC | Prot.SEM) & ~grows) !== 0) {
    return -Errno.EINVAL;
  }
  if (grows !== 0) return protectGrowing(kernel, mm, start, end, prot);
  downWriteKillable(cpu, mm.address + 64);
  const result = protectRange(kernel, mm, start, end, prot & Vm.ACCESS);
  upWrite(cpu, mm.address + 64);
  return result;
}

/** PROT_GROWSDOWN: from the start of a growing mapping on. Nothing grows up here. */
function protectGrowing(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  prot: number,
): number {
  const vma = mm.vmas.find(start);
  if (vma === undefined || vma.start > start) return -Errno.ENOMEM;
  if ((prot & Prot.GROWSUP) !== 0 || (vma.flags & Vm.GROWSDOWN) === 0) return -Errno.EINVAL;
  const access = prot & (Prot.READ | Prot.WRITE | Prot.EXEC);
  downWriteKillable(kernel.cpu, mm.address + 64);
  const result = protectRange(kernel, mm, vma.start, end, access);
  upWrite(kernel.cpu, mm.address + 64);
  return result;
}

function protectRange(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  prot: number,
): number {
  const { cpu } = kernel;
  masFind(cpu, mm.vmas, start, false);
  const first = mm.vmas.find(start);
  if (first === undefined || first.start > start) return -Errno.ENOMEM;
  masPrev(cpu);
  cpu.run(F.tlb_gather_mmu, 21);
  let changed = false;
  let address = start;
  let result = 0;
  while (address < end) {
    const vma = mm.vmas.find(address);
    if (vma === undefined || vma.start > address) {
      result = -Errno.ENOMEM;
      break;
    }
    const stop = Math.min(end, vma.end);
    // VM_MAY* are the access bits four places up.
    if ((prot & ~(vma.flags >> 4) & Vm.ACCESS) !== 0) {
      result = -Errno.EACCES;
      break;
    }
    securityFileMprotect(kernel);
    const outcome = protectPart(kernel, mm, vma, { start: address, end: stop, prot });
    if (outcome < 0) {
      result = outcome;
      break;
    }
    changed ||= outcome > 0;
    address = stop;
    if (address < end) masFindNext(cpu);
  }
  cpu.run(F.tlb_finish_mmu, 51);
  if (changed) flushTlbMmRange(kernel, mm, start, end);
  cpu.run(F.tlb_batch_pages_flush, 21);
  return result;
}

function securityFileMprotect({ cpu }: Kernel): void {
  cpu.run(F.security_file_mprotect, 41);
  cpu.indirect(3);
  cpu.run(F.apparmor_file_mprotect, 18);
  cpu.run(F.bpf_lsm_file_mprotect, 3);
  cpu.run(F.ima_file_mprotect, 36);
}

interface Protection {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
}

/** mprotect_fixup: splits or merges, then changes the entries. Returns entries changed or -errno. */
function protectPart(kernel: Kernel, mm: MmStruct, found: Vma, change: Protection): number {
  const { cpu } = kernel;
  const { start, end, prot } = change;
  const before = found.flags;
  let flags = (before & ~Vm.ACCESS) | prot;
  cpu.run(F.mprotect_fixup, flags === before ? 30 : 108);
  if (flags === before) return 0;
  const pages = (end - start) / PAGE_BYTES;
  if ((flags & Vm.WRITE) !== 0) {
    if (!mayExpandVm(kernel, mm, flags, pages) && mayExpandVm(kernel, mm, before, pages)) {
      return -Errno.ENOMEM;
    }
    const promised = Vm.ACCOUNT | Vm.WRITE | Vm.HUGETLB | Vm.SHARED | Vm.NORESERVE;
    if ((before & promised) === 0) {
      if (!vmEnoughMemory(kernel, mm, pages)) return -Errno.ENOMEM;
      flags |= Vm.ACCOUNT;
    }
  }
  const vma = vmaModify(kernel, mm, found, { start, end, flags });
  if (vma === null) return -Errno.ENOMEM;
  cpu.run(F.vma_set_page_prot, 34);
  cpu.run(F.vm_get_page_prot, 16);
  cpu.run(F.vma_wants_writenotify, 15);
  const changed = changeProtection(kernel, mm, start, end, flags);
  const locks = (flags & (Vm.LOCKED | Vm.WRITE | Vm.SHARED)) === (Vm.LOCKED | Vm.WRITE);
  if (locks && (before & Vm.WRITE) === 0) populate(kernel, mm, start, end);
  vmStatAccount(mm, before, -pages);
  vmStatAccount(mm, flags, pages);
  cpu.runCalls(F.vm_stat_account, 29, 2);
  cpu.run(F.perf_event_mmap, 24);
  return changed;
}

/** change_protection over the entries that exist. */
function changeProtection(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  flags: number,
): number {
  const { cpu, memory } = kernel;
  const high = (flags & Vm.EXEC) !== 0 ? 0 : NX_HIGH;
  let changed = 0;
  let scanned = 0;
  cpu.run(F.p4d_offset, 3);
  cpu.runCalls(F.__cond_resched, 12, 2);
  spinLock(cpu, mm.address + 64);
  cpu.run(F.flush_tlb_batched_pending, 15);
  for (let address = start; address < end; address += PAGE_BYTES) {
    const huge = hugeEntry(memory, mm.pgd, address);
    if (huge >= 0 && address % HUGE_BYTES === 0 && address + HUGE_BYTES <= end) {
      cpu.run(F.change_huge_pmd, 120);
      cpu.write(huge);
      writeEntry(memory, huge, protectedLow(kernel, readLow(memory, huge), flags), high);
      changed++;
      address += HUGE_BYTES - PAGE_BYTES;
      continue;
    }
    if (huge >= 0) splitPmdAt(kernel, mm, address);
    const entry = findPte(memory, mm.pgd, address);
    if (entry < 0) continue;
    scanned++;
    const low = readLow(memory, entry);
    if (low === 0) continue;
    changed++;
    cpu.write(entry);
    cpu.run(F.__ptep_modify_prot_start, 3);
    // The entry is exchanged with zero.
    cpu.charge(Cause.ATOMIC, cpu.ticks.lockedInstruction);
    cpu.run(F.__ptep_modify_prot_commit, 5);
    cpu.run(F.native_set_pte, 2);
    writeEntry(memory, entry, protectedLow(kernel, low, flags), high);
  }
  spinUnlock(cpu);
  cpu.run(F.change_protection, scanned === 0 ? 220 : 466 + 7 * scanned + 77 * changed);
  if (changed > 0) mm.generation++;
  return changed;
}

/**
 * change_pte_range for one entry. Write permission comes back by a fault, except on pages that this
 * address space alone has (can_change_pte_writable).
 */
function protectedLow({ buddy }: Kernel, low: number, flags: number): number {
  let bits = low & ~(Pte.WRITE | Pte.USER);
  if ((flags & Vm.ACCESS) !== 0) bits |= Pte.USER;
  if ((flags & Vm.WRITE) === 0 || (low & Pte.SPECIAL) !== 0) return bits;
  if ((flags & Vm.SHARED) !== 0) return bits | Pte.WRITE;
  const exclusive =
    (buddy.pages.flags[(low & Pte.FRAME) >>> PAGE_SHIFT] & PageFlag.EXCLUSIVE) !== 0;
  return exclusive ? bits | Pte.WRITE : bits;
}
