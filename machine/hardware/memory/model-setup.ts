/** Lays out one machine's caches and TLBs in linear memory, from plain geometry. */
import { assert } from '../../core/assert.ts';
import type { Ticks } from '../../core/units.ts';
import { Cpu, Filter, Header, Region } from '../layout.ts';
import type { LinearMemory } from './linear-memory.ts';
import { CacheField, CacheTag, Model, ModelLimit, Shared, TlbField } from './model-layout.ts';

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
  /** Whole cost of an access served by DRAM. */
  readonly dramTicks: Ticks;
  readonly transferTicks: Ticks;
}

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

function setupTlb(
  linear: LinearMemory,
  at: number,
  geometry: TlbGeometry,
  firstLevel: boolean,
): void {
  const { i32, arena } = linear;
  const { entries, ways } = geometry;
  const sets = setCount(entries, ways, 'TLB');
  i32[(at + TlbField.TAGS) >> 2] = arena.allocate(entries * (firstLevel ? 8 : 16), LINE_BYTES);
  i32[(at + TlbField.SET_MASK) >> 2] = sets - 1;
  i32[(at + TlbField.WAYS) >> 2] = ways;
  i32[(at + TlbField.ENTRIES) >> 2] = entries;
  i32[(at + TlbField.TICKS) >> 2] = geometry.ticks;
  if (!firstLevel) {
    i32[(at + TlbField.MASKS) >> 2] = arena.allocate(Math.ceil(sets / 64) * 8);
    return;
  }
  i32[(at + TlbField.DATA) >> 2] = arena.allocate(entries * 8, LINE_BYTES);
  i32[(at + TlbField.MASKS) >> 2] = arena.allocate(entries * 8, LINE_BYTES);
  i32[(at + TlbField.NEXT) >> 2] = arena.allocate(sets * 4);
  i32[(at + TlbField.HINTS) >> 2] = arena.allocate(ModelLimit.TLB_HINTS * 4);
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
    i32[(block + Cpu.CPL) >> 2] = CPL_USER;
    linear.i64[(block + Cpu.TURN_LEFT) >> 3] = NO_TURN;
    const filters = block + Cpu.FILTER_READ;
    i32.fill(-1, filters >> 2, (filters + 6 * Filter.ENTRIES * Filter.ENTRY_BYTES) >> 2);
  }
  const shared = Region.HEADER;
  setupCache(linear, shared + Shared.LLC, geometry.llc, false);
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
