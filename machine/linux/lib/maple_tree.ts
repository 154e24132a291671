/**
 * The tree of a process's mappings, after Linux 6.1 lib/maple_tree.c, in two halves: the mappings
 * in order of address, and what walking and changing a maple tree of that many entries costs. The
 * nodes have addresses, so walks touch lines. Omits: the node layout itself; depth and slot follow
 * from the number of entries (mappings and gaps) at LEAF_ENTRIES to a leaf.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import type { Vma, VmaSet } from '../include/linux/mm_types.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import type { PageSource } from '../mm/page_alloc.ts';
import type { KmemCache } from '../mm/slub.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';

/** Entries of a leaf before it splits; a split leaves about two thirds of it. */
const LEAF_SLOTS = 15;
const LEAF_ENTRIES = 10;
/** Nodes that mas_preallocate takes for a store into a tree of two levels. */
const PREALLOCATED_NODES = 7;

export class VmaTree implements VmaSet {
  /** In order of address. Changed only through insert() and remove(). */
  readonly list: Vma[] = [];
  /** Physical addresses: the root, then the leaves. */
  readonly nodes: number[] = [];

  /** Index of the first mapping that ends above `address`; list.length when there is none. */
  indexAbove(address: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.list[middle].end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** find_vma: the first mapping that ends above `address`. */
  find(address: number): Vma | undefined {
    return this.list[this.indexAbove(address)];
  }

  insert(vma: Vma): void {
    this.list.splice(this.indexAbove(vma.start), 0, vma);
  }

  remove(vma: Vma): void {
    this.list.splice(this.list.indexOf(vma), 1);
  }

  /** Slots in use: every mapping, and the gap before it where there is one. */
  get entries(): number {
    return this.list.length * 2 + 1;
  }
}

/** mtree_range_walk to the slot of `address`: every pivot passed costs. */
function rangeWalk(cpu: KernelCpu, tree: VmaSet, address: number): void {
  const slot = tree.indexAbove(address) * 2 + 1;
  if (tree.entries <= LEAF_SLOTS) {
    cpu.run(F.mtree_range_walk, 74 + 7 * Math.max(1, slot >> 1));
    readNode(cpu, tree, 0, slot);
    return;
  }
  const leaf = Math.floor(slot / LEAF_ENTRIES);
  const inLeaf = slot % LEAF_ENTRIES;
  cpu.run(F.mtree_range_walk, 126 + 7 * (1 + (leaf >> 1) + (inLeaf >> 2)));
  readNode(cpu, tree, 0, leaf);
  readNode(cpu, tree, 1 + leaf, inLeaf);
}

/** A node is 256 bytes: 15 pivots, then 16 slots. */
function readNode(cpu: KernelCpu, tree: VmaSet, node: number, slot: number): void {
  if (node >= tree.nodes.length) return;
  const address = tree.nodes[node];
  cpu.read(address);
  cpu.read(address + 64 * ((slot >> 3) & 1));
  cpu.read(address + 128 + 64 * ((slot >> 3) & 1));
}

function walk(cpu: KernelCpu, tree: VmaSet, address: number): void {
  cpu.run(F.mas_walk, 42);
  rangeWalk(cpu, tree, address);
}

/** mt_find; `next` when the slot was a gap and the entry after it is wanted. */
export function mtFind(cpu: KernelCpu, tree: VmaSet, address: number, next: boolean): void {
  cpu.run(F.mt_find, next ? 89 : 76);
  rcuReadLock(cpu);
  rangeWalk(cpu, tree, address);
  if (next) cpu.run(F.mas_next_entry, 94);
  rcuReadUnlock(cpu);
}

/** find_vma as a page fault calls it. */
export function findVma(cpu: KernelCpu, tree: VmaSet, address: number): Vma | undefined {
  cpu.run(F.find_vma, 14);
  const vma = tree.find(address);
  mtFind(cpu, tree, address, vma !== undefined && vma.start > address);
  if (vma !== undefined) cpu.read(vma.address);
  return vma;
}

/** mas_find from a fresh state; `next` when it must go on past a gap. */
export function masFind(cpu: KernelCpu, tree: VmaSet, address: number, next: boolean): void {
  cpu.run(F.mas_find, next ? 24 : 17);
  walk(cpu, tree, address);
  if (next) cpu.run(F.mas_next_entry, 87);
}

/** mas_find going on from where it stands. */
export function masFindNext(cpu: KernelCpu): void {
  cpu.run(F.mas_find, 12);
  cpu.run(F.mas_next_entry, 103);
}

/** mas_walk alone. */
export function masWalk(cpu: KernelCpu, tree: VmaSet, address: number): void {
  walk(cpu, tree, address);
}

export function masPrev(cpu: KernelCpu): void {
  cpu.run(F.mas_prev, 32);
  cpu.run(F.mas_prev_nentry, 88);
}

export function masNext(cpu: KernelCpu): void {
  cpu.run(F.mas_next, 14);
  cpu.run(F.mas_next_entry, 94);
}

/** A walk of the small tree that munmap gathers the detached mappings in. */
function detachedWalk(cpu: KernelCpu): void {
  cpu.run(F.mas_walk, 42);
  cpu.run(F.mtree_range_walk, 82);
}

/** mas_find over the detached tree: its first entry. */
export function masFindDetached(cpu: KernelCpu): void {
  cpu.run(F.mas_find, 24);
  detachedWalk(cpu);
  cpu.run(F.mas_next_entry, 54);
}

/** The bookkeeping of munmap: counting the detached mappings with a debug walk (3 + 1 finds). */
export function masCheckDetached(cpu: KernelCpu): void {
  cpu.runCalls(F.mas_find, 53, 4);
  cpu.runCalls(F.mas_next_entry, 318, 3);
  detachedWalk(cpu);
}

/** Nodes taken before a store, so that the store itself cannot fail. */
export function masPreallocate(source: PageSource, cache: KmemCache): number[] | null {
  const { cpu } = source;
  cpu.run(F.mas_preallocate, 20);
  cpu.run(F.mas_node_count_gfp, 10);
  cpu.run(F.mas_alloc_nodes, 76);
  const nodes: number[] = [];
  const first = cache.allocate(source);
  if (first < 0) return null;
  nodes.push(first);
  return cache.allocateBulk(source, nodes, PREALLOCATED_NODES - 1) ? nodes : null;
}

/** Gives back the preallocated nodes that a store did not use. */
export function masDestroy(source: PageSource, cache: KmemCache, nodes: number[]): void {
  const { cpu } = source;
  cpu.run(F.mas_destroy, 53);
  const single = nodes.splice(0, 1);
  const bulk = nodes.splice(0, Math.max(0, nodes.length - 1));
  single.push(...nodes.splice(0));
  cache.freeBulk(source, bulk);
  for (const node of single) cache.free(source, node);
}

/** mas_destroy with nothing left. */
export function masDestroyEmpty(cpu: KernelCpu): void {
  cpu.run(F.mas_destroy, 19);
}

/** What a store does to the tree: instructions of its steps. */
export interface StoreKind {
  readonly entry: number;
  readonly spans: number;
  readonly modify: number;
  /** Only a pivot moves: no node is replaced. */
  readonly inPlace: boolean;
}

export const STORE: StoreKind = { entry: 68, spans: 16, modify: 58, inPlace: false };
export const ERASE: StoreKind = { entry: 112, spans: 22, modify: 50, inPlace: false };
export const MOVE_PIVOT: StoreKind = { entry: 76, spans: 22, modify: 77, inPlace: true };

/**
 * mas_store_prealloc at `address`: a node is replaced by a changed copy, or a pivot moves. Uses
 * one of `nodes`, gives the others back.
 */
export function masStorePrealloc(
  source: PageSource,
  cache: KmemCache,
  tree: VmaSet,
  address: number,
  nodes: number[],
  kind = STORE,
): void {
  const { cpu } = source;
  cpu.run(F.mas_store_prealloc, 33);
  cpu.stack(384, 1);
  cpu.run(F.mas_wr_store_setup, 10);
  cpu.run(F.mas_wr_store_entry, kind.entry);
  cpu.run(F.mas_wr_walk, 167 + 5 * (tree.indexAbove(address) & 1));
  cpu.runCalls(F.mas_is_span_wr, kind.spans, 2);
  tracePoint(source, Point.MA_WRITE, tree.entries, 0);
  const leaf = leafOf(tree, address);
  cpu.run(F.mas_wr_modify, kind.modify);
  tracePoint(source, Point.MA_WRITE, tree.entries, 1);
  if (kind.inPlace) {
    if (leaf >= 0) cpu.write(tree.nodes[leaf]);
  } else {
    nodeStore(source, cache, tree, leaf, nodes);
  }
  cpu.run(F.mas_update_gap, 39);
  cpu.run(F.mas_leaf_max_gap, 114);
  masDestroy(source, cache, nodes);
}

function leafOf(tree: VmaSet, address: number): number {
  if (tree.entries <= LEAF_SLOTS) return tree.nodes.length === 0 ? -1 : 0;
  return Math.min(
    tree.nodes.length - 1,
    1 + Math.floor((tree.indexAbove(address) * 2) / LEAF_ENTRIES),
  );
}

/** mas_wr_node_store: copies the node with the change, replaces it, frees the old one after RCU. */
function nodeStore(
  source: PageSource,
  cache: KmemCache,
  tree: VmaSet,
  leaf: number,
  nodes: number[],
): void {
  const { cpu } = source;
  cpu.run(F.mas_wr_node_store, 231);
  cpu.run(F.mas_node_count_gfp, 10);
  cpu.run(F.mas_pop_node, 37);
  const fresh = nodes.pop();
  if (fresh !== undefined) {
    for (let at = 0; at < 256; at += 64) cpu.write(fresh + at);
    const old = leaf >= 0 ? tree.nodes[leaf] : -1;
    if (leaf >= 0) tree.nodes[leaf] = fresh;
    else tree.nodes.push(fresh);
    cpu.run(F.mas_replace, 57);
    callRcu(cpu);
    // The model has no grace periods yet: the old node is free at once, without a charge.
    if (old >= 0) cache.freeQuietly(old);
  }
  growNodes(source, cache, tree);
}

/** A tree that outgrows its leaves takes another node. */
function growNodes(source: PageSource, cache: KmemCache, tree: VmaSet): void {
  const leaves = Math.ceil(tree.entries / LEAF_ENTRIES);
  const wanted = tree.entries <= LEAF_SLOTS ? 1 : 1 + leaves;
  while (tree.nodes.length < wanted) {
    const node = cache.allocate(source, true);
    if (node < 0) return;
    tree.nodes.push(node);
  }
}

export function callRcu(cpu: KernelCpu): void {
  cpu.rcuCallbacks++;
  cpu.run(F.call_rcu, 94);
  cpu.run(F.rcu_segcblist_pend_cbs, 9);
  cpu.run(F.rcu_segcblist_enqueue, 10);
}

/** mas_store_gfp into the detached tree of munmap: its only node is allocated here. */
export function masStoreDetached(source: PageSource, cache: KmemCache): number {
  const { cpu } = source;
  cpu.run(F.mas_store_gfp, 40);
  cpu.run(F.mas_wr_store_setup, 10);
  cpu.run(F.mas_wr_store_entry, 96);
  cpu.run(F.mas_node_count_gfp, 10);
  cpu.run(F.mas_alloc_nodes, 46);
  const node = cache.allocate(source, true);
  tracePoint(source, Point.MA_WRITE, 1, 1);
  cpu.run(F.mas_pop_node, 28);
  cpu.run(F.mas_nomem, 10);
  cpu.run(F.mas_destroy, 19);
  return node;
}

/** __mt_destroy of the detached tree. */
export function mtDestroyDetached(source: PageSource, cache: KmemCache, node: number): void {
  source.cpu.run(F.__mt_destroy, 21);
  source.cpu.run(F.mt_destroy_walk, 26);
  if (node >= 0) cache.free(source, node);
}

/** mas_expected_entries: the nodes for a tree of `entries` mappings; null without memory. */
export function masExpectedEntries(
  source: PageSource,
  cache: KmemCache,
  entries: number,
): number[] | null {
  const { cpu } = source;
  cpu.run(F.mas_expected_entries, 42);
  cpu.run(F.mas_node_count_gfp, 10);
  cpu.run(F.mas_alloc_nodes, 76);
  const leaves = Math.ceil(entries / (LEAF_SLOTS - 2)) + 1;
  const nodes: number[] = [];
  const first = cache.allocate(source);
  if (first < 0) return null;
  nodes.push(first);
  if (cache.allocateBulk(source, nodes, leaves + 3)) return nodes;
  for (const node of nodes) cache.freeQuietly(node);
  return null;
}

/** A walk over all mappings (mas_for_each): mas_find once for each and once for the end. */
export function masFindEach(cpu: KernelCpu, tree: VmaSet): void {
  const count = tree.list.length + 1;
  cpu.runCalls(F.mas_find, 12 * count + 12, count);
  walk(cpu, tree, 0);
  cpu.runCalls(F.mas_next_entry, 109 * count, count);
  cpu.run(F.mas_ascend, 41);
  for (const node of tree.nodes) for (let at = 0; at < 256; at += 64) cpu.read(node + at);
}

/** mas_store in ascending order, from the nodes of masExpectedEntries(). */
export function masStore(source: PageSource, tree: VmaSet, address: number, nodes: number[]): void {
  const { cpu } = source;
  cpu.run(F.mas_store, 23);
  cpu.run(F.mas_wr_store_setup, 21);
  cpu.run(F.mas_wr_store_entry, 41);
  cpu.run(F.mas_wr_walk, 77);
  cpu.runCalls(F.mas_is_span_wr, 16, 2);
  cpu.run(F.mas_wr_modify, 68);
  tracePoint(source, Point.MA_WRITE, tree.entries, 1);
  const leaves = tree.entries <= LEAF_SLOTS ? 1 : 1 + Math.ceil(tree.entries / LEAF_ENTRIES);
  while (tree.nodes.length < leaves) {
    const node = nodes.pop();
    if (node === undefined) break;
    tree.nodes.push(node);
  }
  const leaf = leafOf(tree, address);
  if (leaf >= 0) {
    cpu.write(tree.nodes[leaf]);
    cpu.write(tree.nodes[leaf] + 128);
  }
  cpu.run(F.mas_update_gap, 39);
  cpu.run(F.mas_leaf_max_gap, 87);
}

/** mas_destroy of what masExpectedEntries() took and no store used. */
export function masBulkDestroy(source: PageSource, cache: KmemCache, nodes: number[]): void {
  masDestroy(source, cache, nodes);
}
