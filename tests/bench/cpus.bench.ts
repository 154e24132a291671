/**
 * What more CPUs cost: N CPUs run the loops side by side, with turns of 2,000 cycles. Prints guest MIPS
 * of all CPUs together and host time per instruction beside one CPU's. `npm run bench -- cpus`.
 */
import { SmpRig } from '../unit/hardware/smp/smp-rig.ts';
import { LOOPS, type Loop } from './loops.ts';

const QUANTUM_CYCLES = 2000;
const INSTRUCTIONS = 100e6;
const HEAP_BYTES = 0x40000;
/** The loops that do not write: the others' CPUs would take each other's lines, and rightly be slow. */
const APART = new Set(['crc', 'hash', 'fib']);
const COUNTS = [1, 2, 4, 8, 16, 32, 64];

/** Host nanoseconds per guest instruction. */
function cost({ emit, fill, instructions: each }: Loop, cpus: number): number {
  const repeats = Math.ceil(INSTRUCTIONS / each / cpus);
  const smp = new SmpRig({ cpus, quantumCycles: QUANTUM_CYCLES }, (asm) => {
    emit(asm, repeats);
  });
  fill(smp.rig.heap(HEAP_BYTES));
  const begin = performance.now();
  smp.run();
  return ((performance.now() - begin) * 1e6) / (each * repeats * cpus);
}

const table: Record<string, Record<string, number>> = {};
for (const loop of LOOPS) {
  if (!APART.has(loop.name)) continue;
  const row: Record<string, number> = {};
  for (const cpus of COUNTS) {
    row[`${String(cpus)} CPUs`] = Math.round(1000 / cost(loop, cpus));
  }
  table[loop.name] = row;
}
console.log('guest MIPS of all CPUs together');
console.table(table);
