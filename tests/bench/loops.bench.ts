/**
 * Guest MIPS of the six loops in each tier on the board `zen4-vm`, full timing on, beside valgrind's
 * cachegrind. `npm run bench -- loops`; prints a table. Not part of the tests: the figures are the
 * host's.
 */
import { Bench } from 'tinybench';
import { memoryGeometry } from '../../machine/board/geometry.ts';
import { ZEN4_VM } from '../../machine/board/zen4-vm.ts';
import type { ExecutorTier } from '../../machine/hardware/cpu/dispatch.ts';
import { ExitReason } from '../../machine/hardware/layout.ts';
import { ProcessorRig } from '../unit/hardware/jit/processor-rig.ts';
import { CODE } from '../unit/hardware/jit/rig.ts';
import { isInstalled, loopMips } from './cachegrind.ts';
import { HEAP_BYTES, LOOPS, type Loop } from './loops.ts';

const LIMIT = Number.MAX_SAFE_INTEGER / 2;
const TIERS: readonly { tier: ExecutorTier; filter: boolean; label: string }[] = [
  { tier: 'interpreter', filter: true, label: 'interpreter' },
  { tier: 'auto', filter: true, label: 'auto' },
  { tier: 'auto', filter: false, label: 'auto, no filter' },
];
const SECONDS = 1;

/** A rig that has run the loop for a while, and the function that runs it once more. */
function prepare(loop: Loop, tier: ExecutorTier, filter: boolean, repeats: number): () => void {
  const geometry = memoryGeometry(ZEN4_VM.memory);
  const rig = new ProcessorRig({ tier, filter, heapBytes: HEAP_BYTES, geometry });
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

async function mips(loop: Loop, tier: ExecutorTier, filter: boolean): Promise<number> {
  const repeats = tier === 'interpreter' ? 1 : Math.max(1, Math.round(2e6 / loop.instructions));
  const bench = new Bench({ time: SECONDS * 1000, warmupTime: SECONDS * 500, iterations: 2 });
  bench.add(loop.name, prepare(loop, tier, filter, repeats));
  await bench.run();
  const result = bench.tasks[0].result as { latency?: { p50: number } } | undefined;
  return (loop.instructions * repeats) / (result?.latency?.p50 ?? NaN) / 1000;
}

const hasPeer = isInstalled();
const table: Record<string, Record<string, number>> = {};
const ratios: number[] = [];
for (const loop of LOOPS) {
  const row: Record<string, number> = {};
  for (const { tier, filter, label } of TIERS) {
    row[label] = Math.round((await mips(loop, tier, filter)) * 10) / 10;
  }
  if (hasPeer) {
    row['cachegrind'] = Math.round(loopMips(loop) * 10) / 10;
    row['ratio'] = Math.round((row['auto'] / row['cachegrind']) * 100) / 100;
    ratios.push(row['auto'] / row['cachegrind']);
  }
  table[loop.name] = row;
}
console.table(table);
if (hasPeer) {
  const mean = Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length);
  console.log(
    `geometric mean of the ratios: ${mean.toFixed(2)}, least: ${Math.min(...ratios).toFixed(2)}`,
  );
} else {
  console.log('valgrind is not installed: no peer');
}
