/** Overlapping misses: what overlaps and what does not, and the same ticks however code is run. */
import { describe, expect, it } from 'vitest';
import type { Board } from '../../../../machine/board/board.ts';
import { SKYLAKE } from '../../../../machine/board/skylake.ts';
import { ZEN4_VM } from '../../../../machine/board/zen4-vm.ts';
import { coreTiming, memoryGeometry } from '../../../../machine/board/geometry.ts';
import { type Assembler, qword, registers } from '../../../../machine/hardware/cpu/assembler.ts';
import type { ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';
import { HEAP } from '../../../bench/loops.ts';
import { ProcessorRig } from './processor-rig.ts';
import { CODE } from './rig.ts';

const { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp } = registers;
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

interface RunOptions {
  readonly tier?: ExecutorTier;
  readonly filter?: boolean;
  readonly board?: Board;
  readonly heapBytes?: number;
  readonly fill?: (heap: DataView) => void;
}

function run(emit: (asm: Assembler) => void, options: RunOptions = {}): Run {
  const { board = SKYLAKE, heapBytes = HEAP_BYTES, fill = link } = options;
  const rig = new ProcessorRig({
    tier: options.tier ?? 'auto',
    filter: options.filter ?? true,
    heapBytes,
    geometry: memoryGeometry(board.memory),
    core: coreTiming(board),
  });
  fill(rig.heap(heapBytes));
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

/** Reads the heap line by line. */
function stream(asm: Assembler): void {
  asm.mov(rax, HEAP);
  asm.mov(rcx, HEAP_BYTES / 64);
  const loop = asm.here();
  asm.add(rdx, qword(rax));
  asm.add(rax, 64);
  asm.sub(rcx, 1);
  asm.jne(loop);
  marker(asm);
}

/** Copies and fills with the repeated string instructions, past the L2. */
function copy(asm: Assembler): void {
  asm.mov(rsi, HEAP);
  asm.mov(rdi, HEAP + BigInt(HEAP_BYTES / 2));
  asm.mov(rcx, HEAP_BYTES / 4);
  asm.rep().movsb();
  asm.mov(rdi, HEAP);
  asm.mov(rcx, HEAP_BYTES / 2);
  asm.rep().stosb();
  marker(asm);
}

const CHASES = { chase, independent, chaseThroughStack, chaseThroughBlocks, chaseIndices };
const PROGRAMS = { ...CHASES, stream, copy };

/** One line in each of `pages` pages, linked in a scattered order. */
function linkPages(pages: number): (heap: DataView) => void {
  return (heap) => {
    const offset = (page: number): number => page * 4096 + ((page * 37) % 64) * 64;
    let at = 0;
    for (let i = 0; i < pages; i++) {
      const next = i === pages - 1 ? 0 : (at + scatter(pages)) % pages;
      heap.setBigUint64(offset(at), HEAP + BigInt(offset(next)), true);
      at = next;
    }
  };
}

/** A step that visits all of `count` things. */
function scatter(count: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.floor(count * 0.618);
  while (divisor(count, step) !== 1) step++;
  return step;
}

/** Follows the pointers from HEAP on, `laps` times round. */
function chasePages(pages: number, laps: number): (asm: Assembler) => void {
  return (asm) => {
    asm.mov(rax, HEAP);
    asm.mov(rcx, pages * laps);
    const loop = asm.here();
    asm.mov(rax, qword(rax));
    asm.sub(rcx, 1);
    asm.jne(loop);
    marker(asm);
  };
}

/** Cycles of a load in steady state. */
function cyclesPerPage(pages: number): number {
  const clock = (laps: number): number =>
    run(chasePages(pages, laps), {
      board: ZEN4_VM,
      heapBytes: pages * 4096,
      fill: linkPages(pages),
    }).clock;
  return (clock(4) - clock(2)) / (2 * pages * 64);
}

describe('overlap of misses', () => {
  const clocks = Object.fromEntries(
    Object.entries(CHASES).map(([name, emit]) => [name, run(emit).clock]),
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

  it('fetches streams ahead', () => {
    const { memory } = ZEN4_VM;
    const { prefetch, ...without } = memory;
    expect(prefetch).toBeDefined();
    const ahead = run(stream, { board: ZEN4_VM }).clock;
    expect(run(stream, { board: { ...ZEN4_VM, memory: without } }).clock).toBeGreaterThan(
      1.3 * ahead,
    );
    // No faster than lines come from DRAM.
    const line = memory.bandwidth?.dramCycles.value ?? 0;
    expect(ahead / 64 / (HEAP_BYTES / 64)).toBeGreaterThan(line);
  });

  it('has the knees of its TLBs', () => {
    const { dtlb, stlb } = ZEN4_VM.memory;
    const hit = cyclesPerPage(dtlb.entries - 8);
    const second = cyclesPerPage(dtlb.entries + 8);
    expect(second - hit).toBeCloseTo(stlb.extraCycles.value, 0);
    const walked = cyclesPerPage(stlb.entries + stlb.entries / 8);
    expect(walked - cyclesPerPage(stlb.entries - stlb.entries / 8)).toBeGreaterThan(15);
  });
});

describe.each([SKYLAKE, ZEN4_VM])('on $name', (board) => {
  it.each(Object.entries(PROGRAMS))(
    '%s costs the same in every tier, filtered or not',
    (_, emit) => {
      const { seen } = run(emit, { board, tier: 'interpreter' });
      expect(run(emit, { board, tier: 'auto' }).seen).toEqual(seen);
      expect(run(emit, { board, tier: 'translator' }).seen).toEqual(seen);
      expect(run(emit, { board, tier: 'auto', filter: false }).seen).toEqual(seen);
      expect(run(emit, { board, tier: 'interpreter', filter: false }).seen).toEqual(seen);
    },
  );
});
