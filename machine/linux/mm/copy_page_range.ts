/**
 * Copying page tables at fork, after Linux 6.1 mm/memory.c (copy_page_range): private pages become
 * read-only in both address spaces and are held by both. Omits: swap entries, migration entries,
 * pages pinned for I/O.
 */
import {
  entryAddress,
  findPte,
  LEVEL_SHIFTS,
  Pte,
  readLow,
  writeEntry,
} from '../arch/x86/mm/pgtable.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { spinLock, spinUnlock } from '../kernel/locking/spinlock.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { copyHugePmd, hugeEntry } from './huge_memory.ts';
import { PageFlag, PageKind } from './mem_map.ts';
import { pteAlloc } from './pgalloc.ts';

/** Bytes that one last-level table maps. */
const TABLE_BYTES = 2 ** 21;
/** Instructions of copy_page_range itself: per mapping, last-level table, empty and present entry. */
const PER_MAPPING = 160;
const PER_TABLE = 335;
const PER_EMPTY = 7;
const PER_PAGE = 72;
const PER_HUGE = 40;

/** vma_needs_copy: pages of files come back by faults; only what cannot is copied. */
function needsCopy({ flags, anonVma }: Vma): boolean {
  return anonVma !== null || (flags & (Vm.PFNMAP | Vm.MIXEDMAP | Vm.HUGETLB)) !== 0;
}

/** is_cow_mapping */
const isCowMapping = ({ flags }: Vma): boolean =>
  (flags & (Vm.SHARED | Vm.MAYWRITE)) === Vm.MAYWRITE;

/** Copies the entries of `vma`, a mapping of `oldmm`, into `newmm`. False when memory is used up. */
export function copyPageRange(kernel: Kernel, oldmm: MmStruct, newmm: MmStruct, vma: Vma): boolean {
  const { cpu } = kernel;
  if (!needsCopy(vma)) {
    cpu.run(F.copy_page_range, 18);
    return true;
  }
  if ((vma.flags & Vm.PFNMAP) !== 0) cpu.run(F.track_pfn_copy, 27);
  cpu.run(F.pgd_none, 3);
  cpu.runCalls(F.p4d_offset, 6, 2);
  let own = PER_MAPPING;
  let copied = true;
  for (let at = vma.start; copied && at < vma.end;) {
    const stop = nextStretch(kernel.memory, oldmm.pgd, at, vma.end);
    const huge = hugeEntry(kernel.memory, oldmm.pgd, at);
    if (huge >= 0) {
      copied = copyHugePmd(kernel, newmm, huge, at, isCowMapping(vma));
      own += PER_HUGE;
    } else if (findPte(kernel.memory, oldmm.pgd, at) >= 0) {
      const spent = copyTable(kernel, oldmm, newmm, { vma, start: at, end: stop });
      copied = spent >= 0;
      own += PER_TABLE + spent;
    }
    at = stop;
  }
  cpu.run(F.copy_page_range, own);
  return copied;
}

/** Where what one entry of a table decides ends: a whole missing table, or a last-level table. */
function nextStretch(memory: PhysicalMemory, pgd: number, at: number, end: number): number {
  let table = pgd;
  for (const shift of LEVEL_SHIFTS.slice(0, 3)) {
    const low = readLow(memory, entryAddress(table, at, shift));
    const span = 2 ** shift;
    if ((low & (Pte.PRESENT | Pte.LARGE)) !== Pte.PRESENT)
      return Math.min(end, (Math.floor(at / span) + 1) * span);
    table = (low & Pte.FRAME) >>> 0;
  }
  return Math.min(end, (Math.floor(at / TABLE_BYTES) + 1) * TABLE_BYTES);
}

interface TableCopy {
  readonly vma: Vma;
  readonly start: number;
  readonly end: number;
}

/**
 * copy_pte_range: start .. end lies in one last-level table, which is there in `oldmm`. Returns the
 * instructions of its loop, or -1 when memory is used up.
 */
function copyTable(kernel: Kernel, oldmm: MmStruct, newmm: MmStruct, part: TableCopy): number {
  const { cpu, memory } = kernel;
  const { vma, start, end } = part;
  const source = findPte(memory, oldmm.pgd, start);
  const target = pteAlloc(kernel, newmm, start);
  if (target < 0) return -1;
  spinLock(cpu, target);
  spinLock(cpu, source);
  let empty = 0;
  let present = 0;
  const count = (end - start) / PAGE_BYTES;
  for (let i = 0; i < count; i++) {
    if (readLow(memory, source + i * 8) === 0) {
      empty++;
      continue;
    }
    present++;
    copyEntry(kernel, newmm, vma, source + i * 8, target + i * 8);
  }
  cpu.runCalls(F.vm_normal_page, 24 * present, present);
  cpu.runCalls(F._compound_head, 18 * present, 3 * present);
  cpu.runCalls(F.native_set_pte, 2 * present, present);
  spinUnlock(cpu);
  spinUnlock(cpu);
  condResched(cpu);
  return PER_EMPTY * empty + PER_PAGE * present;
}

/** copy_present_pte */
function copyEntry(
  kernel: Kernel,
  newmm: MmStruct,
  vma: Vma,
  source: number,
  target: number,
): void {
  const { cpu, memory, buddy } = kernel;
  const { pages } = buddy;
  let low = readLow(memory, source);
  const high = memory.words[(source >>> 2) + 1];
  cpu.read(source);
  if ((low & Pte.SPECIAL) === 0) {
    const frame = (low & Pte.FRAME) >>> PAGE_SHIFT;
    cpu.writePageStruct(frame);
    pages.get(frame);
    pages.map(frame);
    if (pages.kind[frame] === PageKind.ANON) pages.flags[frame] &= ~PageFlag.EXCLUSIVE;
    newmm.rss++;
  }
  if (isCowMapping(vma) && (low & Pte.WRITE) !== 0) {
    low &= ~Pte.WRITE;
    cpu.write(source);
    writeEntry(memory, source, low, high);
  }
  if ((vma.flags & Vm.SHARED) !== 0) low &= ~Pte.DIRTY;
  cpu.write(target);
  writeEntry(memory, target, low & ~Pte.ACCESSED, high);
}
