/**
 * Guest MIPS of the six loops in each tier, on the board `zen4-vm`. Run with `npx tsx
 * tests/bench/loops.bench.ts [seconds per cell]`; prints a table. Not part of the tests: the figures
 * are the host's.
 */
import { Bench } from 'tinybench';
import { coreTiming, memoryGeometry, predictorSpec } from '../../machine/board/geometry.ts';
import { ZEN4_VM } from '../../machine/board/zen4-vm.ts';
import type { ExecutorTier } from '../../machine/hardware/cpu/dispatch.ts';
import { ExitReason } from '../../machine/hardware/layout.ts';
import { ProcessorRig } from '../unit/hardware/jit/processor-rig.ts';
import { CODE } from '../unit/hardware/jit/rig.ts';
import { HEAP_BYTES, LOOPS, type Loop } from './loops.ts';

const LIMIT = Number.MAX_SAFE_INTEGER / 2;
const TIERS: readonly { tier: ExecutorTier; filter: boolean; label: string }[] = [
  { tier: 'interpreter', filter: true, label: 'interpreter' },
  { tier: 'auto', filter: true, label: 'auto' },
  { tier: 'auto', filter: false, label: 'auto, no filter' },
];
const seconds = Number(process.argv[2] ?? '1');

/** A rig that has run the loop for a while, and the function that runs it once more. */
function prepare(loop: Loop, tier: ExecutorTier, filter: boolean, repeats: number): () => void {
  const geometry = memoryGeometry(ZEN4_VM.memory);
  const core = coreTiming(ZEN4_VM);
  const predictor = predictorSpec(ZEN4_VM.core);
  const rig = new ProcessorRig({
    ...{ tier, filter, heapBytes: HEAP_BYTES, geometry, core },
    ...(predictor === undefined ? {} : { predictor }),
  });
  loop.fill(rig.heap(HEAP_BYTES));
  rig.load((asm) => {
    loop.emit(asm, repeats);
  });
  return () => {
    rig.start(CODE);
    const reason = rig.processor.run(0, LIMIT);
    if (reason !== ExitReason.MARKER) throw new Error(`${loop.name}: exit ${String(reason)}`);
  };
}

const table: Record<string, Record<string, number>> = {};
for (const loop of LOOPS) {
  const row: Record<string, number> = {};
  for (const { tier, filter, label } of TIERS) {
    const repeats = tier === 'interpreter' ? 1 : Math.max(1, Math.round(2e6 / loop.instructions));
    const bench = new Bench({ time: seconds * 1000, warmupTime: seconds * 500, iterations: 2 });
    bench.add(label, prepare(loop, tier, filter, repeats));
    await bench.run();
    const result = bench.tasks[0].result as { latency?: { p50: number } } | undefined;
    const milliseconds = result?.latency?.p50 ?? NaN;
    row[label] = Math.round((loop.instructions * repeats) / milliseconds / 100) / 10;
  }
  table[loop.name] = row;
}
console.table(table);
