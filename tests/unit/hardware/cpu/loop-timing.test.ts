/**
 * Loops of one and of several blocks against an independent account of the same instructions: a
 * longest path through 200 unrolled iterations, and sums of what each unit has to do.
 */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../../machine/core/random.ts';
import { cyclesFromTicks } from '../../../../machine/core/units.ts';
import { formBlock } from '../../../../machine/hardware/cpu/blocks.ts';
import type { IrBlock } from '../../../../machine/hardware/cpu/ir.ts';
import { loopThrough, type LookAhead } from '../../../../machine/hardware/cpu/loops.ts';
import { BlockTimer, type CoreTiming } from '../../../../machine/hardware/cpu/timing.ts';

const ADD = { throughput: 0.25, latency: 1 };
const MULTIPLY = { throughput: 1, latency: 3 };
const MOVE = { throughput: 0.25, latency: 0 };
const BRANCH = { throughput: 0.5, latency: 1 };
const CORE: CoreTiming = {
  issueWidth: 4,
  instructions: {
    add: ADD,
    imul: MULTIPLY,
    mov: MOVE,
    ...{ jne: BRANCH, je: BRANCH, dec: ADD },
    taken: { throughput: 1, latency: 0 },
  },
  default: ADD,
};
const BASE = 0x1000n;

/** 64-bit register instructions by what they do to `to` and `from`, registers 0 to 7 but rsp, rcx. */
const KINDS = [
  { bytes: [0x01], cost: ADD, reversed: true, reads: true },
  { bytes: [0x0f, 0xaf], cost: MULTIPLY, reversed: false, reads: true },
  { bytes: [0x89], cost: MOVE, reversed: true, reads: false },
];
const REGISTERS = [0, 2, 3, 5, 6, 7];
const COUNTER = 1;

interface Plain {
  readonly cost: { readonly throughput: number; readonly latency: number };
  readonly to: number;
  readonly sources: readonly number[];
  /** The branch after it begins another block. */
  readonly splits: boolean;
}

/** A loop body that ends in `dec ecx; jne`, and what its instructions are. */
function randomLoop(random: Random): { code: Uint8Array; plain: Plain[] } {
  const code: number[] = [];
  const plain: Plain[] = [];
  for (let n = 1 + random.below(14); n > 0; n--) {
    if (random.below(5) === 0) {
      // je to the next instruction: a new block. It reads flags, and nothing waits for it.
      code.push(0x74, 0);
      plain.push({ cost: BRANCH, to: -1, sources: [], splits: true });
    }
    const kind = KINDS[random.below(KINDS.length)];
    const [to, from] = [0, 0].map(() => REGISTERS[random.below(REGISTERS.length)]);
    const [reg, rm] = kind.reversed ? [from, to] : [to, from];
    code.push(0x48, ...kind.bytes, 0xc0 | (reg << 3) | rm);
    const sources = kind.reads ? [to, from] : [from];
    plain.push({ cost: kind.cost, to, sources, splits: false });
  }
  plain.push({ cost: ADD, to: COUNTER, sources: [COUNTER], splits: false });
  plain.push({ cost: BRANCH, to: -1, sources: [], splits: true });
  code.push(0xff, 0xc9, 0x75, 256 - code.length - 4);
  return { code: Uint8Array.from(code), plain };
}

/** Cycles that one more iteration takes when only dependencies matter. */
function longestPath(plain: readonly Plain[]): number {
  const ready = new Array<number>(16).fill(0);
  const run = (iterations: number): number => {
    for (let n = 0; n < iterations; n++) {
      for (const { cost, to, sources } of plain) {
        if (to < 0) continue;
        ready[to] = Math.max(...sources.map((source) => ready[source])) + cost.latency;
      }
    }
    return Math.max(...ready);
  };
  const before = run(100);
  return (run(100) - before) / 100;
}

/** Cycles of the issue and of the busiest unit, block by block. */
function unitBound(plain: readonly Plain[]): number {
  let sum = 0;
  let block: Plain[] = [];
  plain.forEach((instruction, index) => {
    block.push(instruction);
    if (!instruction.splits) return;
    const busy = [ADD, MULTIPLY, MOVE, BRANCH].map(
      (unit) => block.filter(({ cost }) => cost === unit).length * unit.throughput,
    );
    const taken = index === plain.length - 1 ? 1 : 0;
    sum += Math.max(block.length / CORE.issueWidth, taken, ...busy);
    block = [];
  });
  return sum;
}

/** The blocks of the loop at BASE, and what one can see of it. */
function blocksOf(code: Uint8Array): { blocks: IrBlock[]; lookAhead: LookAhead } {
  const at = (address: bigint): IrBlock | undefined => {
    const offset = Number(address - BASE);
    if (offset < 0 || offset >= code.length) return undefined;
    const found = formBlock(address, (from, length) => {
      const begin = Number(from - BASE);
      return code.subarray(begin, begin + length);
    });
    return 'missing' in found ? undefined : found;
  };
  const first = at(BASE);
  if (first === undefined) throw new Error('no code');
  return { blocks: loopThrough(first, at), lookAhead: at };
}

describe('random loops', () => {
  test('take what the longer of dependencies and units takes', () => {
    const random = new Random(11, 'loops');
    let severalBlocks = 0;
    let bound = 0;
    for (let n = 0; n < 150; n++) {
      const { code, plain } = randomLoop(random);
      const { blocks, lookAhead } = blocksOf(code);
      if (blocks.length === 0) continue;
      const timer = new BlockTimer(CORE);
      const cycles = blocks.reduce(
        (sum, block) => sum + cyclesFromTicks(timer.time(block, lookAhead).ticks),
        0,
      );
      const units = unitBound(plain);
      const chain = longestPath(plain);
      if (blocks.length > 1) severalBlocks++;
      if (chain > units) bound++;
      // A je to the next instruction can be left out: then the shares may not add up exactly.
      expect(
        Math.abs(cycles - Math.max(units, chain)),
        Buffer.from(code).toString('hex'),
      ).toBeLessThan(0.05 + 0.02 * blocks.length);
    }
    expect(severalBlocks).toBeGreaterThan(30);
    expect(bound).toBeGreaterThan(30);
  });
});

describe('what a loop is', () => {
  test('ends at calls and at the page', () => {
    // nop; call +0; jmp back
    expect(blocksOf(Uint8Array.of(0x90, 0xe8, 0, 0, 0, 0, 0xeb, 0xf8)).blocks).toEqual([]);
    const { blocks } = blocksOf(Uint8Array.of(0x90, 0xeb, 0xfd));
    expect(blocks.map(({ address }) => address)).toEqual([BASE]);
  });

  test('is the shortest way back', () => {
    // je over two nops; nop; nop; jmp back
    const { blocks } = blocksOf(Uint8Array.of(0x74, 2, 0x90, 0x90, 0xeb, 0xfa));
    expect(blocks.map(({ address }) => address)).toEqual([BASE, BASE + 4n]);
  });
});
