/** Turns a board's memory and predictor figures (cycles) into what the hardware takes (ticks). */
import { ticksFromCycles } from '../core/units.ts';
import type { CacheGeometry, MemoryGeometry, TlbGeometry } from '../hardware/memory/model-setup.ts';
import type { PredictorSpec } from '../hardware/cpu/predictor.ts';
import type { CacheSpec, CoreSpec, MemorySpec, TlbSpec } from './board.ts';

function cache(spec: CacheSpec): CacheGeometry {
  return { bytes: spec.bytes, ways: spec.ways, ticks: ticksFromCycles(spec.extraCycles.value) };
}

function tlb(spec: TlbSpec): TlbGeometry {
  return { entries: spec.entries, ways: spec.ways, ticks: ticksFromCycles(spec.extraCycles.value) };
}

export function predictorSpec({ predictor }: CoreSpec): PredictorSpec | undefined {
  if (predictor === undefined) return undefined;
  const { historyEntries, targetEntries, returnStackEntries, refillCycles } = predictor;
  const refillTicks = ticksFromCycles(refillCycles.value);
  return { historyEntries, targetEntries, returnStackEntries, refillTicks };
}

export function memoryGeometry(spec: MemorySpec): MemoryGeometry {
  return {
    l1i: cache(spec.l1i),
    l1d: cache(spec.l1d),
    l2: cache(spec.l2),
    llc: cache(spec.llc),
    itlb: tlb(spec.itlb),
    dtlb: tlb(spec.dtlb),
    stlb: tlb(spec.stlb),
    walkTicks: ticksFromCycles(spec.pageWalkCycles.value),
    dramTicks: ticksFromCycles(spec.llc.extraCycles.value + spec.dramCycles.value),
    transferTicks: ticksFromCycles(spec.lineTransferCycles.value),
  };
}
