/** Lays out one machine's caches and TLBs in linear memory, from plain geometry. */
import { assert } from '../../core/assert.ts';
import type { Ticks } from '../../core/units.ts';
import { Cpu, Filter, Header, Region } from '../layout.ts';
import type { LinearMemory } from './linear-memory.ts';
import { Overlap } from './overlap-layout.ts';
import {
  CacheField,
  CacheTag,
  LlcStamp,
  Model,
  ModelLimit,
  Prefetch,
  Server,
  Shared,
  SmallCache,
  TlbField,
} from './model-layout.ts';

const LINE_BYTES = 64;
const CPL_USER = 3;
/** Cpu.TURN_LEFT while no other CPU runs. */
const NO_TURN = -(2n ** 62n);

export interface CacheGeometry {
  readonly bytes: number;
  readonly ways: number;
  /** Ticks of an access served here, beyond a first-level hit. */
  readonly ticks: Ticks;
}

export interface TlbGeometry {
  readonly entries: number;
  readonly ways: number;
  readonly ticks: Ticks;
  /** Entries that never hold translations of the guest. */
  readonly taken?: number;
}

/** What the memory model of the core needs to know of a board. */
export interface MemoryGeometry {
  readonly l1i: CacheGeometry;
  readonly l1d: CacheGeometry;
  readonly l2: CacheGeometry;
  readonly llc: CacheGeometry;
  readonly itlb: TlbGeometry;
  readonly dtlb: TlbGeometry;
  readonly stlb: TlbGeometry;
  readonly walkTicks: Ticks;
  /** Levels of the page tables: 4 unless five-level paging is on. */
  readonly pagingLevels?: 4 | 5;
  /** Whole cost of an access served by DRAM. */
  readonly dramTicks: Ticks;
  readonly transferTicks: Ticks;
  /** How misses of user code overlap; without it every miss blocks. */
  readonly overlap?: OverlapGeometry;
  readonly walkCaches?: WalkCacheGeometry;
  readonly nested?: NestedGeometry;
  readonly bandwidth?: BandwidthGeometry;
  readonly prefetch?: PrefetchGeometry;
  /** Mean ticks until other tenants of the last level have displaced a line that is not used. */
  readonly llcLifetimeTicks?: Ticks;
}

/** Entries of the paging-structure caches, by what they hold; powers of two. */
export interface WalkCacheGeometry {
  readonly pde: number;
  readonly pdpte: number;
  readonly pml4e: number;
}

/** The machine is a guest whose memory the host maps in scattered 4 KiB pages. */
export interface NestedGeometry {
  /** Guest frames whose host frame is at hand; a power of two. */
  readonly tlbEntries: number;
  /** Entries of the host's paging-structure cache for 2 MiB regions; a power of two. */
  readonly pdeEntries: number;
}

/** Ticks for which one line, or one lookup, keeps its server busy; 0: no limit. */
export interface BandwidthGeometry {
  readonly stlb: Ticks;
  readonly l2: Ticks;
  readonly llc: Ticks;
  /** DRAM reads of one CPU, its write-backs, and all CPUs together. */
  readonly dram: Ticks;
  readonly dramWrite: Ticks;
  readonly dramShared: Ticks;
}

export interface PrefetchGeometry {
  /** Lines that a stream is fetched ahead, within its 4 KiB page. */
  readonly streamLines: number;
  /** Strides that are fetched ahead. */
  readonly strides: number;
}

export interface OverlapGeometry {
  /** Ticks of a first-level hit, from address to value. */
  readonly hitTicks: Ticks;
  /** First-level misses under way at a time. */
  readonly missBuffers: number;
  /** Missed stores that wait at a time. */
  readonly storeBuffer: number;
  /** Page walks under way at a time. */
  readonly walkers: number;
}

/** 2^32 divided by the golden ratio. */
const GOLDEN_RATIO = 0x9e3779b9;

function setCount(units: number, ways: number, what: string): number {
  const sets = units / ways;
  assert(Number.isInteger(sets) && (sets & (sets - 1)) === 0 && sets > 0, `${what}: 2^n sets`);
  return sets;
}

function setupCache(
  linear: LinearMemory,
  at: number,
  geometry: CacheGeometry,
  firstLevel: boolean,
): void {
  const { i32, arena } = linear;
  const sets = setCount(geometry.bytes / LINE_BYTES, geometry.ways, 'cache');
  const rowBytes = Math.ceil(geometry.ways / 4) * 16;
  const tags = arena.allocate(sets * rowBytes, LINE_BYTES);
  i32.fill(CacheTag.INVALID, tags >> 2, (tags + sets * rowBytes) >> 2);
  i32[(at + CacheField.TAGS) >> 2] = tags;
  i32[(at + CacheField.SET_MASK) >> 2] = sets - 1;
  i32[(at + CacheField.WAYS) >> 2] = geometry.ways;
  i32[(at + CacheField.ROW_BYTES) >> 2] = rowBytes;
  i32[(at + CacheField.TICKS) >> 2] = geometry.ticks;
  if (!firstLevel) return;
  const back = arena.allocate(sets * rowBytes, LINE_BYTES);
  i32.fill(-1, back >> 2, (back + sets * rowBytes) >> 2);
  i32[(at + CacheField.BACK) >> 2] = back;
  i32[(at + CacheField.NEXT) >> 2] = arena.allocate(sets * 4);
}

/** Ways of every set that are taken; the same in all of them. */
function takenWays({ taken = 0, ways }: TlbGeometry, sets: number): number {
  const each = taken / sets;
  assert(Number.isInteger(each) && each < ways, 'taken entries of a first level: the same per set');
  return each;
}

/** Spreads the taken entries over the rows as evenly as the golden ratio does. */
function takenTable(linear: LinearMemory, { taken = 0, ways }: TlbGeometry, sets: number): number {
  const table = linear.arena.allocate(Math.ceil(sets / 8) * 8);
  for (let n = 1; n <= taken; n++) {
    const row = table + Math.floor(((Math.imul(n, GOLDEN_RATIO) >>> 0) / 2 ** 32) * sets);
    const ofRow = linear.data.getUint8(row) + 1;
    assert(ofRow < ways, 'taken entries leave some of each row');
    linear.data.setUint8(row, ofRow);
  }
  return table;
}

function setupTlb(
  linear: LinearMemory,
  at: number,
  geometry: TlbGeometry,
  firstLevel: boolean,
): void {
  const { i32, arena } = linear;
  const { entries } = geometry;
  const sets = setCount(entries, geometry.ways, 'TLB');
  const ways = geometry.ways - (firstLevel ? takenWays(geometry, sets) : 0);
  i32[(at + TlbField.TAGS) >> 2] = arena.allocate(entries * (firstLevel ? 8 : 16), LINE_BYTES);
  i32[(at + TlbField.SET_MASK) >> 2] = sets - 1;
  i32[(at + TlbField.WAYS) >> 2] = ways;
  i32[(at + TlbField.ENTRIES) >> 2] = entries;
  i32[(at + TlbField.TICKS) >> 2] = geometry.ticks;
  if (!firstLevel) {
    i32[(at + TlbField.MASKS) >> 2] = arena.allocate(Math.ceil(sets / 64) * 8);
    i32[(at + TlbField.TAKEN) >> 2] = takenTable(linear, geometry, sets);
    return;
  }
  i32[(at + TlbField.DATA) >> 2] = arena.allocate(entries * 8, LINE_BYTES);
  i32[(at + TlbField.MASKS) >> 2] = arena.allocate(entries * 8, LINE_BYTES);
  i32[(at + TlbField.NEXT) >> 2] = arena.allocate(sets * 4);
  i32[(at + TlbField.HINTS) >> 2] = arena.allocate(ModelLimit.TLB_HINTS * 4);
}

function setupOverlap(linear: LinearMemory, block: number, geometry: OverlapGeometry): void {
  const { i32 } = linear;
  const rings = [geometry.missBuffers, geometry.storeBuffer, geometry.walkers];
  assert(
    rings.every((entries) => entries > 0 && entries <= Overlap.RING_MAX),
    'rings of the overlap model have 1 to 64 entries',
  );
  i32[(block + Overlap.ON) >> 2] = 1;
  i32[(block + Overlap.HIT_TICKS) >> 2] = geometry.hitTicks;
  i32[(block + Overlap.BUFFERS) >> 2] = geometry.missBuffers;
  i32[(block + Overlap.STORES) >> 2] = geometry.storeBuffer;
  i32[(block + Overlap.WALKERS) >> 2] = geometry.walkers;
}

function setupSmall(linear: LinearMemory, at: number, entries: number): void {
  assert(entries > 0 && (entries & (entries - 1)) === 0, 'small caches have 2^n entries');
  const { i32, arena } = linear;
  i32[(at + SmallCache.TABLE) >> 2] = arena.allocate(entries * SmallCache.ENTRY_BYTES, LINE_BYTES);
  i32[(at + SmallCache.MASK) >> 2] = entries - 1;
}

function setupPaging(linear: LinearMemory, block: number, geometry: MemoryGeometry): void {
  const { walkCaches, nested } = geometry;
  if (walkCaches !== undefined) {
    const { pde, pdpte, pml4e } = walkCaches;
    [pde, pdpte, pml4e].forEach((entries, index) => {
      setupSmall(linear, block + Model.WALK_CACHES + index * SmallCache.BYTES, entries);
    });
  }
  if (nested === undefined) return;
  setupSmall(linear, block + Model.NESTED_TLB, nested.tlbEntries);
  setupSmall(linear, block + Model.NESTED_PDES, nested.pdeEntries);
}

function setupServer(linear: LinearMemory, at: number, ticks: Ticks): void {
  const { i32, arena } = linear;
  i32[(at + Server.SLOTS) >> 2] = arena.allocate(Server.SLOT_COUNT * Server.SLOT_BYTES, LINE_BYTES);
  i32[(at + Server.TICKS) >> 2] = ticks;
}

function setupTraffic(linear: LinearMemory, block: number, geometry: MemoryGeometry): void {
  const { i32 } = linear;
  const { bandwidth, prefetch } = geometry;
  if (bandwidth !== undefined) {
    setupServer(linear, block + Model.STLB_SERVER, bandwidth.stlb);
    setupServer(linear, block + Model.L2_SERVER, bandwidth.l2);
    setupServer(linear, block + Model.LLC_SERVER, bandwidth.llc);
    setupServer(linear, block + Model.DRAM_SERVER, bandwidth.dram);
    i32[(block + Model.DRAM_WRITE_TICKS) >> 2] = bandwidth.dramWrite;
  }
  if (prefetch === undefined) return;
  i32[(block + Prefetch.DISTANCE) >> 2] = prefetch.streamLines;
  i32[(block + Prefetch.STRIDES) >> 2] = prefetch.strides;
}

function setupShared(linear: LinearMemory, geometry: MemoryGeometry): void {
  const { i32, arena } = linear;
  const shared = Region.HEADER;
  i32[(shared + Shared.GUEST_LINES) >> 2] = linear.guestBytes / LINE_BYTES;
  i32[(shared + Shared.SCATTERED) >> 2] = geometry.nested === undefined ? 0 : 1;
  setupServer(linear, shared + Shared.DRAM_SERVER, geometry.bandwidth?.dramShared ?? 0);
  const { llcLifetimeTicks } = geometry;
  if (llcLifetimeTicks === undefined) return;
  const rowBytes = i32[(shared + Shared.LLC + CacheField.ROW_BYTES) >> 2];
  const sets = i32[(shared + Shared.LLC + CacheField.SET_MASK) >> 2] + 1;
  i32[(shared + Shared.LLC_STAMPS) >> 2] = arena.allocate(sets * rowBytes, LINE_BYTES);
  const table = arena.allocate(LlcStamp.LIFETIMES * 4);
  i32[(shared + Shared.LLC_LIFETIMES) >> 2] = table;
  i32.set(lifetimes(llcLifetimeTicks), table >> 2);
}

/**
 * Quantiles of how long a line stays, in stamp units: a gamma distribution of shape 2, as of a line
 * that is passed over once before it is displaced. Basic arithmetic only, because Math.exp may
 * differ in its last bit from host to host.
 */
function lifetimes(meanTicks: Ticks): Int32Array {
  const count = LlcStamp.LIFETIMES as number;
  const quantiles = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const left = 1 - (i + 0.5) / count;
    quantiles[i] = Math.round((survivalTime(left) * meanTicks) / 2 / 2 ** LlcStamp.SHIFT);
  }
  return quantiles;
}

const BISECTIONS = 40;
const SURVIVAL_MAX = 32;

/** The x at which (1 + x) e^-x has come down to `left`. */
function survivalTime(left: number): number {
  let low = 0;
  let high = SURVIVAL_MAX;
  for (let n = 0; n < BISECTIONS; n++) {
    const x = (low + high) / 2;
    if (1 + x > left * exponential(x)) low = x;
    else high = x;
  }
  return low;
}

/** e^x for 0 <= x <= SURVIVAL_MAX. */
function exponential(x: number): number {
  let sum = 1;
  let term = 1;
  const part = x / SURVIVAL_MAX;
  for (let n = 1; n < 20; n++) {
    term *= part / n;
    sum += term;
  }
  let power = sum;
  for (let factor = 2; factor <= SURVIVAL_MAX; factor *= 2) power *= power;
  return power;
}

/** Sets up all CPUs' caches and TLBs, empty, and what they share. Once for each machine. */
export function setupModel(
  linear: LinearMemory,
  geometry: MemoryGeometry,
  options: { readonly filter: boolean },
): void {
  const { i32, cpus, arena } = linear;
  assert(cpus <= ModelLimit.CPUS_MAX, 'a directory entry has a bit for each CPU');
  for (let cpu = 0; cpu < cpus; cpu++) {
    const block = linear.cpuBlock(cpu);
    setupCache(linear, block + Model.L1I, geometry.l1i, true);
    setupCache(linear, block + Model.L1D, geometry.l1d, true);
    setupCache(linear, block + Model.L2, geometry.l2, false);
    setupTlb(linear, block + Model.ITLB, geometry.itlb, true);
    setupTlb(linear, block + Model.DTLB, geometry.dtlb, true);
    setupTlb(linear, block + Model.STLB, geometry.stlb, false);
    i32[(block + Model.FILTER) >> 2] = options.filter ? 1 : 0;
    i32[(block + Model.NUMBER) >> 2] = cpu;
    i32[(block + Model.WALK_TICKS) >> 2] = geometry.walkTicks;
    i32[(block + Model.PAGING_LEVELS) >> 2] = geometry.pagingLevels ?? 4;
    if (geometry.overlap !== undefined) setupOverlap(linear, block, geometry.overlap);
    setupPaging(linear, block, geometry);
    setupTraffic(linear, block, geometry);
    i32[(block + Cpu.CPL) >> 2] = CPL_USER;
    linear.i64[(block + Cpu.TURN_LEFT) >> 3] = NO_TURN;
    const filters = block + Cpu.FILTER_READ;
    i32.fill(-1, filters >> 2, (filters + 6 * Filter.ENTRIES * Filter.ENTRY_BYTES) >> 2);
  }
  const shared = Region.HEADER;
  setupCache(linear, shared + Shared.LLC, geometry.llc, false);
  setupShared(linear, geometry);
  i32[(shared + Shared.CPUS) >> 2] = cpus;
  i32[(shared + Shared.DRAM_TICKS) >> 2] = geometry.dramTicks;
  i32[(shared + Shared.TRANSFER_TICKS) >> 2] = geometry.transferTicks;
  i32[(shared + Shared.REQUEST_TICKS) >> 2] = geometry.transferTicks >> 1;
  if (cpus > 1) {
    const lines = linear.guestBytes / LINE_BYTES;
    i32[(shared + Shared.DIRECTORY) >> 2] = arena.allocate(lines * 8, LINE_BYTES);
    i32[(shared + Shared.LINE_STATES) >> 2] = arena.allocate(lines * 4, LINE_BYTES);
  }
  assert(i32[(shared + Header.GUEST_BASE) >> 2] === linear.guestBase, 'header is set up');
}
