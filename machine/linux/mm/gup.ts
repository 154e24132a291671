/**
 * User pages for the kernel's own accesses: finding a page of the current address space and faulting
 * it in as a user access would (a fault inside copy_to_user, or get_user_pages). After Linux 6.1
 * mm/gup.c and arch/x86/mm/fault.c. Access rights are checked against the mapping.
 */
import { findPte, Pte, readLow } from '../arch/x86/mm/pgtable.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { downReadTrylock, upRead } from '../kernel/locking/rwsem.ts';
import { findVma } from '../lib/maple_tree.ts';
import { HUGE_BYTES, hugeEntry } from './huge_memory.ts';
import { handleMmFault } from './memory.ts';
import { Fault } from '../include/linux/fault.ts';
import { expandStack } from './stack.ts';

const NO_PAGE = -1;

/** Physical address of the page that holds `address`, readable or writable, or -1 (EFAULT). */
export function userPage(kernel: Kernel, mm: MmStruct, address: number, write: boolean): number {
  const page = address - (address % PAGE_BYTES);
  if (!(address >= 0 && address < TASK_SIZE)) return NO_PAGE;
  for (let attempt = 0; attempt < 3; attempt++) {
    const huge = hugeEntry(kernel.memory, mm.pgd, page);
    const entry = huge < 0 ? findPte(kernel.memory, mm.pgd, page) : huge;
    const low = entry < 0 ? 0 : readLow(kernel.memory, entry);
    const wanted = Pte.PRESENT | Pte.USER | (write ? Pte.WRITE : 0);
    if ((low & wanted) === wanted) {
      return ((low & Pte.FRAME) >>> 0) + (huge < 0 ? 0 : page % HUGE_BYTES);
    }
    if (!faultIn(kernel, mm, page, write)) return NO_PAGE;
  }
  return NO_PAGE;
}

/** Bytes of another address space that are in memory, for /proc; what is not there is zero. Untimed. */
export function readUserBytesOf(
  { memory }: Kernel,
  mm: MmStruct,
  address: number,
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, length));
  for (let done = 0; done < bytes.length;) {
    const at = address + done;
    const inPage = at % PAGE_BYTES;
    const count = Math.min(bytes.length - done, PAGE_BYTES - inPage);
    const entry = findPte(memory, mm.pgd, at - inPage);
    const low = entry < 0 ? 0 : readLow(memory, entry);
    if ((low & Pte.PRESENT) !== 0) {
      const physical = ((low & Pte.FRAME) >>> 0) + inPage;
      bytes.set(memory.bytes.subarray(physical, physical + count), done);
    }
    done += count;
  }
  return bytes;
}

function faultIn(kernel: Kernel, mm: MmStruct, page: number, write: boolean): boolean {
  const { cpu } = kernel;
  cpu.run(F.do_user_addr_fault, 99);
  cpu.run(F.lock_mm_and_find_vma, 33);
  downReadTrylock(cpu, mm.address + 64);
  let vma = findVma(cpu, mm.vmas, page);
  if (vma !== undefined && vma.start > page && !expandStack(kernel, mm, vma, page)) vma = undefined;
  const needed = write ? Vm.WRITE : Vm.ACCESS;
  const allowed = vma !== undefined && (vma.flags & needed) !== 0;
  const done =
    allowed &&
    handleMmFault(kernel, mm, vma as NonNullable<typeof vma>, page, { write }) === Fault.DONE;
  upRead(cpu, mm.address + 64);
  return done;
}

/**
 * __mm_populate: makes every page of start .. end present, writable ones by a write. Returns 0 or
 * what Linux reports for the first page that cannot be had.
 */
export function populate(kernel: Kernel, mm: MmStruct, start: number, end: number): number {
  const { list } = mm.vmas;
  kernel.cpu.run(F.__mm_populate, 60);
  for (let index = mm.vmas.indexAbove(start); index < list.length; index++) {
    const vma = list[index];
    if (vma.start >= end) break;
    if ((vma.flags & (Vm.IO | Vm.PFNMAP)) !== 0) continue;
    const write = (vma.flags & (Vm.WRITE | Vm.SHARED)) === Vm.WRITE;
    const from = Math.max(start, vma.start);
    const failed = populateRange(kernel, mm, vma, from, Math.min(end, vma.end), write);
    if (failed < 0) return failed;
  }
  return 0;
}

/** populate_vma_page_range. 0, -ENOMEM, or -EFAULT beyond the end of a file or without access. */
export function populateRange(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  start: number,
  end: number,
  write: boolean,
): number {
  const { cpu, memory } = kernel;
  cpu.run(F.populate_vma_page_range, 40);
  cpu.run(F.__get_user_pages, 88);
  const needed = write ? Vm.WRITE : Vm.ACCESS;
  if ((vma.flags & needed) === 0) return -Errno.EFAULT;
  for (let page = start; page < end; page += PAGE_BYTES) {
    cpu.run(F.follow_page_mask, 60);
    const huge = hugeEntry(memory, mm.pgd, page);
    const entry = huge < 0 ? findPte(memory, mm.pgd, page) : huge;
    const low = entry < 0 ? 0 : readLow(memory, entry);
    if ((low & Pte.PRESENT) !== 0 && (!write || (low & Pte.WRITE) !== 0)) continue;
    const outcome = handleMmFault(kernel, mm, vma, page, { write });
    if (outcome === Fault.OUT_OF_MEMORY) return -Errno.ENOMEM;
    if (outcome !== Fault.DONE) return -Errno.EFAULT;
  }
  return 0;
}
