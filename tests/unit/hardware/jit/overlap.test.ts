/** Overlapping misses: what overlaps and what does not, and the same ticks however code is run. */
import { describe, expect, it } from 'vitest';
import { SKYLAKE } from '../../../../machine/board/skylake.ts';
import { coreTiming, memoryGeometry } from '../../../../machine/board/geometry.ts';
import { type Assembler, qword, registers } from '../../../../machine/hardware/cpu/assembler.ts';
import type { ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';
import { HEAP } from '../../../bench/loops.ts';
import { ProcessorRig } from './processor-rig.ts';
import { CODE } from './rig.ts';

const { rax, rbx, rcx, rdx, rsi, rbp, rsp } = registers;
const HEAP_BYTES = 2 << 20;
const LINES = 4096;
/** An odd number of lines: visits every line once, with no constant stride in its order. */
const STEP = 1237;

function marker(asm: Assembler): void {
  asm.bytes([0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x43, 0x4c]);
}

/** Line i of the heap holds the address of the line after it in a fixed scattered order. */
function link(heap: DataView): void {
  let at = 0;
  for (let i = 0; i < LINES; i++) {
    const next = (at * STEP + 17) % LINES;
    heap.setBigUint64(at * 64, HEAP + BigInt(next * 64), true);
    heap.setUint32(at * 64 + 8, next, true);
    at = next;
  }
}

interface Run {
  readonly clock: number;
  readonly seen: unknown;
}

function run(
  emit: (asm: Assembler) => void,
  options: { tier?: ExecutorTier; filter?: boolean } = {},
): Run {
  const rig = new ProcessorRig({
    tier: options.tier ?? 'auto',
    filter: options.filter ?? true,
    heapBytes: HEAP_BYTES,
    geometry: memoryGeometry(SKYLAKE.memory),
    core: coreTiming(SKYLAKE),
  });
  link(rig.heap(HEAP_BYTES));
  rig.load(emit);
  rig.start(CODE);
  const reason = rig.processor.run(0, 1e12);
  return { clock: rig.state.clock, seen: rig.observe(reason) };
}

const ITERATIONS = 2000;

/** Loads that each give the next one's address. */
function chase(asm: Assembler): void {
  asm.mov(rax, HEAP);
  asm.mov(rcx, ITERATIONS);
  const loop = asm.here();
  asm.mov(rax, qword(rax));
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

/** The same lines in the same order, but the addresses do not come from memory. */
function independent(asm: Assembler): void {
  asm.mov(rbx, HEAP);
  asm.mov(rdx, 0);
  asm.mov(rcx, ITERATIONS);
  const loop = asm.here();
  asm.imul(rdx, rdx, STEP);
  asm.add(rdx, 17);
  asm.and(rdx, LINES - 1);
  asm.mov(rsi, rdx);
  asm.shl(rsi, 6);
  asm.mov(rax, qword({ base: rbx, index: rsi, scale: 1 }));
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

/** The pointer is kept in memory between two blocks, as unoptimised code does. */
function chaseThroughStack(asm: Assembler): void {
  asm.mov(rbp, rsp);
  asm.mov(rax, HEAP);
  asm.mov(qword(rbp, -8), rax);
  asm.mov(rcx, ITERATIONS);
  const loop = asm.here();
  asm.mov(rax, qword(rbp, -8));
  asm.mov(rax, qword(rax));
  asm.mov(qword(rbp, -8), rax);
  const next = asm.newLabel();
  asm.jmp(next);
  asm.bind(next);
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

/** The pointer moves to another register in a block of its own. */
function chaseThroughBlocks(asm: Assembler): void {
  asm.mov(rax, HEAP);
  asm.mov(rcx, ITERATIONS);
  const loop = asm.here();
  asm.mov(rbx, qword(rax));
  const next = asm.newLabel();
  asm.jmp(next);
  asm.bind(next);
  asm.mov(rax, rbx);
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

/** Indices instead of pointers. */
function chaseIndices(asm: Assembler): void {
  asm.mov(rbx, HEAP);
  asm.mov(rax, 0);
  asm.mov(rcx, ITERATIONS);
  const loop = asm.here();
  asm.shl(rax, 6);
  asm.mov(rax, qword({ base: rbx, index: rax, scale: 1, offset: 8 }));
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

const PROGRAMS = { chase, independent, chaseThroughStack, chaseThroughBlocks, chaseIndices };

describe('overlap of misses', () => {
  const clocks = Object.fromEntries(
    Object.entries(PROGRAMS).map(([name, emit]) => [name, run(emit).clock]),
  );

  it('does not hide a miss behind one that its address waits for', () => {
    const dram = SKYLAKE.memory.dramCycles.value + SKYLAKE.memory.llc.extraCycles.value;
    expect(clocks['chase']).toBeGreaterThan(ITERATIONS * dram * 64);
    for (const name of ['chaseThroughStack', 'chaseThroughBlocks', 'chaseIndices']) {
      expect(clocks[name] / clocks['chase'], name).toBeGreaterThan(0.95);
      expect(clocks[name] / clocks['chase'], name).toBeLessThan(1.15);
    }
  });

  it('overlaps independent misses up to the miss buffers', () => {
    const buffers = SKYLAKE.memory.overlap?.missBuffers.value ?? 0;
    const ratio = clocks['chase'] / clocks['independent'];
    expect(ratio).toBeGreaterThan(buffers * 0.5);
    expect(ratio).toBeLessThan(buffers * 1.05);
  });

  it.each(Object.entries(PROGRAMS))(
    '%s costs the same in every tier, filtered or not',
    (_, emit) => {
      const { seen } = run(emit, { tier: 'interpreter' });
      expect(run(emit, { tier: 'auto' }).seen).toEqual(seen);
      expect(run(emit, { tier: 'translator' }).seen).toEqual(seen);
      expect(run(emit, { tier: 'auto', filter: false }).seen).toEqual(seen);
      expect(run(emit, { tier: 'interpreter', filter: false }).seen).toEqual(seen);
    },
  );
});
