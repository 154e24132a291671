/**
 * Making, splitting and merging mappings, after Linux 6.1 mm/mmap.c (vma_merge, __split_vma,
 * __vma_adjust) and kernel/fork.c (vm_area_alloc).
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { AnonVma, MmStruct, Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import {
  masDestroyEmpty,
  masPreallocate,
  masStorePrealloc,
  masWalk,
  MOVE_PIVOT,
  mtFind,
} from '../lib/maple_tree.ts';
import { splitAtBoundary } from './huge_memory.ts';
import { anonVmaClone, unlinkAnonVmas } from './rmap.ts';

export type VmaShape = Omit<Vma, 'address' | 'anonVma' | 'anonChains'>;

/** vm_area_alloc: a mapping that is in no tree yet, or null without memory. */
export function vmAreaAlloc(kernel: Kernel, shape: VmaShape): Vma | null {
  kernel.cpu.run(F.vm_area_alloc, 21);
  const address = kernel.caches.vma.allocate(kernel);
  if (address < 0) return null;
  if (shape.file !== null) shape.file.mappings++;
  return { ...shape, address, anonVma: null, anonChains: [] };
}

export function vmAreaFree(kernel: Kernel, vma: Vma): void {
  kernel.cpu.run(F.vm_area_free, 4);
  kernel.caches.vma.free(kernel, vma.address);
  const { file } = vma;
  if (file === null) return;
  file.mappings--;
  if (file.mappings === 0) file.unmapped?.(kernel);
}

/** can_vma_merge_before / after: `right` goes on where `left` stops, as one mapping would. */
export function canMerge(left: Vma | VmaShape, right: Vma | VmaShape): boolean {
  if (left.end !== right.start || left.flags !== right.flags) return false;
  if (left.file !== right.file || left.special !== null || right.special !== null) return false;
  if (left.name !== right.name || !canJoin(left, right)) return false;
  return left.pgoff + (left.end - left.start) / 4096 === right.pgoff;
}

/** is_mergeable_anon_vma: the pages of both may belong to one anon_vma. */
export function canJoin(left: Vma | VmaShape, right: Vma | VmaShape): boolean {
  const [a, b] = [anonVmaOf(left), anonVmaOf(right)];
  if (a === b) return true;
  if (a !== null && b !== null) return false;
  // A mapping that was forked has chains to its ancestors, which the other would not have.
  const owner = a === null ? right : left;
  return isLinked(owner) && owner.anonChains.length === 1;
}

const anonVmaOf = (vma: Vma | VmaShape): AnonVma | null => (isLinked(vma) ? vma.anonVma : null);

const isLinked = (vma: Vma | VmaShape): vma is Vma => 'anonChains' in vma;

/**
 * __split_vma at `address`, strictly inside: the mapping keeps the part below (`upper` 'new') or
 * above. Returns the new mapping, or null without memory.
 */
export function splitVma(kernel: Kernel, mm: MmStruct, vma: Vma, address: number): Vma | null {
  const { cpu, caches } = kernel;
  cpu.run(F.__split_vma, 62);
  cpu.run(F.vm_area_dup, 31);
  const object = caches.vma.allocate(kernel);
  if (object < 0) return null;
  cpu.run(F.vma_dup_policy, 10);
  const upper: Vma = {
    ...vma,
    start: address,
    pgoff: vma.pgoff + (address - vma.start) / 4096,
    address: object,
    anonChains: [],
  };
  if (!anonVmaClone(kernel, upper, vma, false)) {
    caches.vma.free(kernel, object);
    return null;
  }
  if (vma.file !== null) vma.file.mappings++;
  cpu.run(F.__vma_adjust, 138);
  mtFind(cpu, mm.vmas, address, true);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) {
    unlinkAnonVmas(kernel, upper);
    vmAreaFree(kernel, upper);
    return null;
  }
  cpu.run(F.vma_adjust_trans_huge, 38);
  splitAtBoundary(kernel, mm, address);
  vma.end = address;
  mm.vmas.insert(upper);
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, address, nodes);
  masDestroyEmpty(cpu);
  return upper;
}

/** A part of one mapping that gets other flags. */
export interface FlagChange {
  readonly start: number;
  readonly end: number;
  /** All of vm_flags. */
  readonly flags: number;
}

/**
 * vma_merge with the new flags, else __split_vma at both ends: the way of mprotect, madvise and
 * mlock. Returns the mapping that has the range afterwards, or null without memory.
 */
export function vmaModify(kernel: Kernel, mm: MmStruct, vma: Vma, change: FlagChange): Vma | null {
  const { start, end, flags } = change;
  const index = mm.vmas.list.indexOf(vma);
  const before = index > 0 ? mm.vmas.list[index - 1] : undefined;
  const after = mm.vmas.list.at(index + 1);
  const part: Vma = { ...vma, ...change, pgoff: vma.pgoff + (start - vma.start) / 4096 };
  const joinsBefore = start === vma.start && before !== undefined && canMerge(before, part);
  const joinsAfter = end === vma.end && after !== undefined && canMerge(part, after);
  lookAround(kernel, mm, start, joinsBefore || joinsAfter);
  const whole = start === vma.start && end === vma.end;
  if (whole && (joinsBefore || joinsAfter)) {
    vma.flags = flags;
    if (joinsBefore) {
      const rights = joinsAfter ? [vma, after] : [vma];
      return absorbNext(kernel, mm, before, rights) ? before : null;
    }
    return absorbNext(kernel, mm, vma, [after as Vma]) ? vma : null;
  }
  if (joinsBefore) return moveBoundary(kernel, mm, before, vma, end) ? before : null;
  if (joinsAfter) return moveBoundary(kernel, mm, vma, after, start) ? after : null;
  let target = vma;
  if (start > vma.start) {
    const upper = splitVma(kernel, mm, vma, start);
    if (upper === null) return null;
    masWalk(kernel.cpu, mm.vmas, start);
    target = upper;
  }
  if (end < target.end && splitVma(kernel, mm, target, end) === null) return null;
  target.flags = flags;
  return target;
}

/** __vma_adjust that only shifts where `left` stops and `right` begins. */
function moveBoundary(
  kernel: Kernel,
  mm: MmStruct,
  left: Vma,
  right: Vma,
  boundary: number,
): boolean {
  const { cpu, caches } = kernel;
  cpu.run(F.__vma_adjust, 219);
  mtFind(cpu, mm.vmas, left.start, false);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  cpu.run(F.vma_adjust_trans_huge, 32);
  splitAtBoundary(kernel, mm, boundary);
  shareAnonVma(kernel, left, right);
  right.pgoff += (boundary - right.start) / 4096;
  left.end = boundary;
  right.start = boundary;
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, boundary, nodes, MOVE_PIVOT);
  masDestroyEmpty(cpu);
  return true;
}

/** Pages that change hands must be in a tree of their new mapping. */
function shareAnonVma(kernel: Kernel, left: Vma, right: Vma): void {
  const [owner, other] = left.anonVma === null ? [right, left] : [left, right];
  if (owner.anonVma === null || other.anonVma !== null) return;
  if (!anonVmaClone(kernel, other, owner, false)) return;
  if (other.anonVma === null) {
    other.anonVma = owner.anonVma;
    owner.anonVma.activeVmas++;
  }
}

/** Joins the mappings that follow `left` into it: __vma_adjust with one or two to remove. */
export function absorbNext(
  kernel: Kernel,
  mm: MmStruct,
  left: Vma,
  rights: readonly Vma[],
): boolean {
  const { cpu, caches } = kernel;
  cpu.run(F.__vma_adjust, 219);
  mtFind(cpu, mm.vmas, left.start, false);
  mtFind(cpu, mm.vmas, left.start, false);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  cpu.run(F.vma_adjust_trans_huge, 32);
  for (const right of rights) {
    left.end = right.end;
    mm.vmas.remove(right);
    adoptAnonVma(kernel, left, right);
  }
  cpu.run(F.vma_mas_store, 18);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, left.start, nodes);
  for (const right of rights) vmAreaFree(kernel, right);
  masDestroyEmpty(cpu);
  cpu.run(F.khugepaged_enter_vma, 18);
  return true;
}

/** The joined mapping is in every tree that `right` was in. */
export function adoptAnonVma(kernel: Kernel, left: Vma, right: Vma): void {
  if (left.anonVma === null && right.anonVma !== null) {
    // Both hold the same pages from here on; the chains simply change hands.
    left.anonVma = right.anonVma;
    left.anonChains = right.anonChains;
    right.anonVma = null;
    right.anonChains = [];
    return;
  }
  if (right.anonVma !== null) unlinkAnonVmas(kernel, right);
}

/** vma_merge's look at the two neighbours. */
export function lookAround(kernel: Kernel, mm: MmStruct, address: number, merges: boolean): void {
  const { cpu } = kernel;
  cpu.run(F.vma_merge, merges ? 121 : 61);
  mtFind(cpu, mm.vmas, address, !merges);
  mtFind(cpu, mm.vmas, address, !merges);
}
