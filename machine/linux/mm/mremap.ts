/**
 * mremap, after Linux 6.1 mm/mremap.c: shrinking, growing in place, moving page by page. Omits:
 * moving whole page tables at once, userfaultfd, huge pages of the pool.
 */
import { getUnmappedArea } from '../arch/x86/kernel/sys_x86_64.ts';
import { findPte, readLow, writeEntry } from '../arch/x86/mm/pgtable.ts';
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Map, Mremap } from '../include/uapi/asm-generic/mman.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { masPreallocate, masStorePrealloc, MOVE_PIVOT } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { populate } from './gup.ts';
import { MAP_COUNT_MAX } from './mmap.ts';
import { doMunmapLocked } from './munmap.ts';
import { mayExpandVm, vmEnoughMemory, vmStatAccount, vmUnacctMemory } from './overcommit.ts';
import { pteAlloc } from './pgalloc.ts';
import { anonVmaClone, unlinkAnonVmas } from './rmap.ts';
import { splitPmdAt } from './huge_memory.ts';
import { canMerge, vmAreaAlloc, vmAreaFree } from './vma.ts';

interface Move {
  readonly address: number;
  readonly oldLength: number;
  readonly newLength: number;
  readonly flags: number;
  readonly newAddress: number;
}

export function sysMremap(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  const { mm } = current;
  cpu.run(F.__do_sys_mremap, 150);
  cpu.stack(192, 1);
  const move: Move = {
    address: args.unsigned(0),
    oldLength: pageAlign(args.unsigned(1)),
    newLength: pageAlign(args.unsigned(2)),
    flags: args.low(3),
    newAddress: args.unsigned(4),
  };
  if (!isSane(move) || mm === null) return -Errno.EINVAL;
  downWriteKillable(cpu, mm.address + 64);
  const wasLocked = mm.lockedVm;
  const result = mremapLocked(kernel, mm, move);
  upWrite(cpu, mm.address + 64);
  cpu.run(F.userfaultfd_unmap_complete, 30);
  if (result >= 0 && mm.lockedVm > wasLocked && move.newLength > move.oldLength) {
    populate(kernel, mm, result + move.oldLength, result + move.newLength);
  }
  return result;
}

function isSane({ address, oldLength, newLength, flags }: Move): boolean {
  const moves = (flags & Mremap.MAYMOVE) !== 0;
  if ((flags & ~(Mremap.FIXED | Mremap.MAYMOVE | Mremap.DONTUNMAP)) !== 0) return false;
  if ((flags & Mremap.FIXED) !== 0 && !moves) return false;
  if ((flags & Mremap.DONTUNMAP) !== 0 && (!moves || oldLength !== newLength)) return false;
  return address % PAGE_BYTES === 0 && newLength > 0;
}

function mremapLocked(kernel: Kernel, mm: MmStruct, move: Move): number {
  const { address, oldLength, newLength, flags } = move;
  const vma = mm.vmas.find(address);
  if (vma === undefined || vma.start > address) return -Errno.EFAULT;
  if ((vma.flags & Vm.HUGETLB) !== 0) return -Errno.EINVAL;
  if ((flags & (Mremap.FIXED | Mremap.DONTUNMAP)) !== 0) return mremapTo(kernel, mm, move);
  if (oldLength >= newLength) {
    const surplus = oldLength - newLength;
    if (surplus === 0) return address;
    const error = doMunmapLocked(kernel, mm, address + newLength, address + oldLength);
    return error < 0 ? error : address;
  }
  const refused = checkResize(kernel, mm, vma, move);
  if (refused < 0) return refused;
  if (oldLength === vma.end - address && growInPlace(kernel, mm, vma, newLength - oldLength)) {
    return address;
  }
  if ((flags & Mremap.MAYMOVE) === 0) return release(kernel, vma, move, -Errno.ENOMEM);
  const place = getUnmappedArea(kernel, mm, { address: 0, flags: 0 }, newLength);
  if (place < 0) return release(kernel, vma, move, place);
  return moveVma(kernel, mm, vma, { ...move, newAddress: place });
}

/** Takes back what checkResize() promised. */
function release(kernel: Kernel, vma: Vma, move: Move, error: number): number {
  vmUnacctMemory(kernel, promisedPages(vma, move));
  return error;
}

function promisedPages({ flags }: Vma, { oldLength, newLength }: Move): number {
  return (flags & Vm.ACCOUNT) === 0 ? 0 : Math.max(0, newLength - oldLength) / PAGE_BYTES;
}

/** vma_to_resize: 0 when the mapping may become so long, and it is accounted for; else -errno. */
function checkResize(kernel: Kernel, mm: MmStruct, vma: Vma, move: Move): number {
  const { address, oldLength, newLength, flags } = move;
  kernel.cpu.run(F.vma_to_resize, 60);
  // An empty old range makes a second mapping of shared memory; of private memory it would be none.
  if (oldLength === 0 && (vma.flags & (Vm.SHARED | Vm.MAYSHARE)) === 0) return -Errno.EINVAL;
  const special = (vma.flags & (Vm.DONTEXPAND | Vm.PFNMAP)) !== 0;
  if ((flags & Mremap.DONTUNMAP) !== 0 && special) return -Errno.EINVAL;
  if (oldLength > vma.end - address) return -Errno.EFAULT;
  if (newLength === oldLength) return 0;
  if (special) return -Errno.EFAULT;
  const pages = (newLength - oldLength) / PAGE_BYTES;
  if (!mayExpandVm(kernel, mm, vma.flags, pages)) return -Errno.ENOMEM;
  if ((vma.flags & Vm.ACCOUNT) === 0) return 0;
  return vmEnoughMemory(kernel, mm, promisedPages(vma, move)) ? 0 : -Errno.ENOMEM;
}

/** vma_expandable and the adjustment: false when something is in the way. */
function growInPlace(kernel: Kernel, mm: MmStruct, vma: Vma, bytes: number): boolean {
  const { cpu, caches } = kernel;
  const { list } = mm.vmas;
  const next = list.at(list.indexOf(vma) + 1);
  if (next !== undefined && next.start < vma.end + bytes) return false;
  if (vma.end + bytes > TASK_SIZE) return false;
  cpu.run(F.vma_merge, 61);
  cpu.run(F.__vma_adjust, 138);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  vma.end += bytes;
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, vma.start, nodes, MOVE_PIVOT);
  vmStatAccount(mm, vma.flags, bytes / PAGE_BYTES);
  if ((vma.flags & Vm.LOCKED) !== 0) mm.lockedVm += bytes / PAGE_BYTES;
  return true;
}

/** mremap_to: to a place that is given, or anywhere for MREMAP_DONTUNMAP. */
function mremapTo(kernel: Kernel, mm: MmStruct, asked: Move): number {
  const { address, newLength, flags, newAddress } = asked;
  const fixed = (flags & Mremap.FIXED) !== 0;
  let { oldLength } = asked;
  if (newAddress % PAGE_BYTES !== 0 || newLength > TASK_SIZE) return -Errno.EINVAL;
  if (newAddress > TASK_SIZE - newLength) return -Errno.EINVAL;
  if (address + oldLength > newAddress && newAddress + newLength > address) return -Errno.EINVAL;
  if (mm.vmas.list.length + 2 >= MAP_COUNT_MAX - 3) return -Errno.ENOMEM;
  if (fixed) {
    const error = doMunmapLocked(kernel, mm, newAddress, newAddress + newLength);
    if (error < 0) return error;
  }
  if (oldLength > newLength) {
    const error = doMunmapLocked(kernel, mm, address + newLength, address + oldLength);
    if (error < 0) return error;
    oldLength = newLength;
  }
  const vma = mm.vmas.find(address);
  if (vma === undefined || vma.start > address) return -Errno.EFAULT;
  const move = { ...asked, oldLength };
  const refused = checkResize(kernel, mm, vma, move);
  if (refused < 0) return refused;
  const keeps = (flags & Mremap.DONTUNMAP) !== 0;
  if (keeps && !mayExpandVm(kernel, mm, vma.flags, oldLength / PAGE_BYTES)) return -Errno.ENOMEM;
  const place = getUnmappedArea(
    kernel,
    mm,
    { address: newAddress, flags: fixed ? Map.FIXED : 0 },
    newLength,
  );
  if (place < 0) return release(kernel, vma, move, place);
  return moveVma(kernel, mm, vma, { ...move, newAddress: place });
}

/** move_vma: a mapping at the new place, its entries moved there, the old one unmapped. */
function moveVma(kernel: Kernel, mm: MmStruct, vma: Vma, move: Move): number {
  const { cpu } = kernel;
  const { address, oldLength, newLength, newAddress, flags } = move;
  cpu.run(F.move_vma, 180);
  if (mm.vmas.list.length >= MAP_COUNT_MAX - 3) return release(kernel, vma, move, -Errno.ENOMEM);
  const copy = copyVma(kernel, mm, vma, move);
  if (copy === null) return release(kernel, vma, move, -Errno.ENOMEM);
  const keeps = (flags & Mremap.DONTUNMAP) !== 0;
  const pages = newLength / PAGE_BYTES;
  // checkResize() promised the growth only; the rest is still the old mapping's.
  const promised = (copy.flags & Vm.ACCOUNT) !== 0;
  const moved = movePageTables(kernel, mm, { ...move, oldLength: Math.min(oldLength, newLength) });
  vmStatAccount(mm, copy.flags, pages);
  if ((copy.flags & Vm.LOCKED) !== 0) mm.lockedVm += pages;
  if (promised) kernel.vm.committedPages += Math.min(oldLength, newLength) / PAGE_BYTES;
  if (!moved) {
    // Entries that were moved go with the new mapping; the old one keeps the rest.
    doMunmapLocked(kernel, mm, newAddress, newAddress + newLength);
    return -Errno.ENOMEM;
  }
  if (keeps) return newAddress;
  if (oldLength > 0) doMunmapLocked(kernel, mm, address, address + oldLength);
  return newAddress;
}

/** copy_vma: extends the mapping before the new place, or makes one like `vma` there. */
function copyVma(kernel: Kernel, mm: MmStruct, vma: Vma, move: Move): Vma | null {
  const { cpu, caches } = kernel;
  const { address, newAddress, newLength } = move;
  cpu.run(F.copy_vma, 90);
  const untouched = vma.file === null && vma.anonVma === null;
  const offset = (address - vma.start) / PAGE_BYTES;
  const pgoff = untouched ? newAddress / PAGE_BYTES : vma.pgoff + offset;
  const end = newAddress + newLength;
  const shape: Vma = { ...vma, start: newAddress, end, pgoff };
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return null;
  const index = mm.vmas.indexAbove(newAddress);
  const before = index > 0 ? mm.vmas.list[index - 1] : undefined;
  if (before !== undefined && canMerge(before, shape) && before.anonVma === vma.anonVma) {
    cpu.run(F.vma_merge, 121);
    before.end = end;
    masStorePrealloc(kernel, caches.mapleNode, mm.vmas, newAddress, nodes, MOVE_PIVOT);
    return before;
  }
  const copy = vmAreaAlloc(kernel, {
    start: newAddress,
    end,
    flags: vma.flags,
    file: vma.file,
    special: vma.special,
    pgoff,
    name: vma.name,
  });
  if (copy === null) return null;
  copy.anonVma = vma.anonVma;
  if (!anonVmaClone(kernel, copy, vma, false)) {
    copy.anonVma = null;
    unlinkAnonVmas(kernel, copy);
    vmAreaFree(kernel, copy);
    return null;
  }
  mm.vmas.insert(copy);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, newAddress, nodes);
  return copy;
}

/** move_page_tables: entry by entry. False without memory for the new tables. */
function movePageTables(kernel: Kernel, mm: MmStruct, move: Move): boolean {
  const { cpu, memory } = kernel;
  const { address, oldLength, newAddress } = move;
  let tables = 0;
  let moved = 0;
  let table = -1;
  for (let done = 0; done < oldLength; done += PAGE_BYTES) {
    const from = address + done;
    splitPmdAt(kernel, mm, from);
    const source = findPte(memory, mm.pgd, from);
    if (source < 0) continue;
    const low = readLow(memory, source);
    if (low === 0) continue;
    const target = pteAlloc(kernel, mm, newAddress + done);
    if (target < 0) return false;
    const current = Math.floor(from / 2 ** 21);
    if (current !== table) {
      table = current;
      tables++;
      spinLock(cpu, source);
      spinUnlock(cpu);
    }
    const high = memory.words[(source >>> 2) + 1];
    cpu.write(source);
    cpu.write(target);
    writeEntry(memory, source, 0, 0);
    writeEntry(memory, target, low, high);
    moved++;
  }
  cpu.run(F.move_page_tables, 180 + 120 * tables + 20 * moved);
  cpu.runCalls(F.native_set_pte, 2 * moved, moved);
  if (moved > 0) flushTlbMmRange(kernel, mm, address, address + oldLength);
  return true;
}
