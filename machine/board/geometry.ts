/** Turns a board's memory and predictor figures (cycles) into what the hardware takes (ticks). */
import { ticksFromCycles } from '../core/units.ts';
import type { PredictorSpec } from '../hardware/cpu/predictor.ts';
import type { CoreTiming } from '../hardware/cpu/timing.ts';
import type {
  BandwidthGeometry,
  CacheGeometry,
  MemoryGeometry,
  OverlapGeometry,
  TlbGeometry,
} from '../hardware/memory/model-setup.ts';
import type {
  BandwidthSpec,
  Board,
  CacheSpec,
  CoreSpec,
  Figure,
  MemorySpec,
  OverlapSpec,
  TlbSpec,
} from './board.ts';

function cache(spec: CacheSpec): CacheGeometry {
  return { bytes: spec.bytes, ways: spec.ways, ticks: ticksFromCycles(spec.extraCycles.value) };
}

function tlb(spec: TlbSpec): TlbGeometry {
  const { entries, ways, extraCycles, othersEntries } = spec;
  const geometry = { entries, ways, ticks: ticksFromCycles(extraCycles.value) };
  return othersEntries === undefined ? geometry : { ...geometry, taken: othersEntries.value };
}

export function predictorSpec({ predictor }: CoreSpec): PredictorSpec | undefined {
  if (predictor === undefined) return undefined;
  const { historyEntries, targetEntries, returnStackEntries, refillCycles } = predictor;
  const refillTicks = ticksFromCycles(refillCycles.value);
  return { historyEntries, targetEntries, returnStackEntries, refillTicks };
}

export function memoryGeometry(spec: MemorySpec, pagingLevels: 4 | 5 = 4): MemoryGeometry {
  return {
    l1i: cache(spec.l1i),
    l1d: cache(spec.l1d),
    l2: cache(spec.l2),
    llc: cache(spec.llc),
    itlb: tlb(spec.itlb),
    dtlb: tlb(spec.dtlb),
    stlb: tlb(spec.stlb),
    walkTicks: ticksFromCycles(spec.pageWalkCycles.value),
    pagingLevels,
    dramTicks: ticksFromCycles(spec.llc.extraCycles.value + spec.dramCycles.value),
    transferTicks: ticksFromCycles(spec.lineTransferCycles.value),
    ...(spec.overlap === undefined ? {} : { overlap: overlap(spec.overlap) }),
    ...(spec.walkCaches === undefined ? {} : { walkCaches: values(spec.walkCaches) }),
    ...(spec.nested === undefined ? {} : { nested: values(spec.nested) }),
    ...(spec.bandwidth === undefined ? {} : { bandwidth: bandwidth(spec.bandwidth) }),
    ...(spec.prefetch === undefined ? {} : { prefetch: values(spec.prefetch) }),
    ...(spec.llcLifetimeCycles === undefined
      ? {}
      : { llcLifetimeTicks: ticksFromCycles(spec.llcLifetimeCycles.value) }),
  };
}

/** The values of a record of figures. */
function values<K extends string>(figures: Readonly<Record<K, Figure>>): Record<K, number> {
  const entries = Object.entries<Figure>(figures).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as Record<K, number>;
}

function bandwidth(spec: BandwidthSpec): BandwidthGeometry {
  return {
    stlb: ticksFromCycles(spec.stlbCycles.value),
    l2: ticksFromCycles(spec.l2Cycles.value),
    llc: ticksFromCycles(spec.llcCycles.value),
    dram: ticksFromCycles(spec.dramCycles.value),
    dramWrite: ticksFromCycles(spec.dramWriteCycles.value),
    dramShared: ticksFromCycles(spec.dramSharedCycles.value),
  };
}

function overlap(spec: OverlapSpec): OverlapGeometry {
  return {
    hitTicks: ticksFromCycles(spec.hitCycles.value),
    missBuffers: spec.missBuffers.value,
    storeBuffer: spec.storeBuffer.value,
    walkers: spec.walkers.value,
  };
}

/** What times the blocks of a board's core. */
export function coreTiming({ core, memory }: Board): CoreTiming {
  const { overlap } = memory;
  return overlap === undefined ? core : { ...core, reorderBuffer: overlap.reorderBuffer.value };
}
