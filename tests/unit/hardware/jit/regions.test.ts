/** Control-flow shapes, region formation, and random graphs of blocks in both executors. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Op, Width, FlagKind, type IrBlock } from '../../../../machine/hardware/cpu/ir.ts';
import { shapeOf } from '../../../../machine/hardware/jit/control-flow.ts';
import { formRegion } from '../../../../machine/hardware/jit/regions.ts';
import { BlockBuilder, Dice } from './random-block.ts';
import { BlockRig, CODE, type InitialState } from './rig.ts';

describe('shape', () => {
  it('of a loop with a diamond inside', () => {
    //   0 -> 1 -> {2, 3} -> 4 -> {1, 5}
    const shape = shapeOf([[1], [2, 3], [4], [4], [1, 5], []]);
    expect([...shape.isLoop]).toEqual([0, 1, 0, 0, 0, 0]);
    expect([...shape.isMerge]).toEqual([0, 0, 0, 0, 1, 0]);
    expect([...shape.dominator]).toEqual([0, 0, 1, 1, 1, 4]);
  });

  it('cuts the edge that makes a loop irreducible, and no other', () => {
    // 1 and 2 form a loop that 0 enters at both.
    const shape = shapeOf([[1, 2], [2], [1]]);
    const kept = shape.successors.flat().length;
    expect(kept).toBe(3);
    expect([...shape.isLoop]).toEqual([0, 0, 0]);
  });

  it('of any graph: every kept edge goes forward or back to a dominator', () => {
    const graph = fc
      .integer({ min: 2, max: 14 })
      .chain((n) =>
        fc.tuple(
          fc.constant(n),
          fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 30 }),
        ),
      );
    fc.assert(
      fc.property(graph, ([n, edges]) => {
        const successors = Array.from({ length: n }, (_, i) => new Set(i + 1 < n ? [i + 1] : []));
        for (const [from, to] of edges) successors[from]?.add(to);
        const shape = shapeOf(successors.map((set) => [...set]));
        shape.successors.forEach((targets, from) => {
          for (const to of targets) {
            const forward = shape.position[to] > shape.position[from];
            let node = from;
            while (node !== to && node !== 0) node = shape.dominator[node];
            expect(forward || node === to).toBe(true);
          }
        });
      }),
    );
  });
});

const address = (n: number): bigint => CODE + BigInt(n * 256);

/**
 * `n` small blocks that count in r8 which of them ran, with random edges among them. Registers 0..7
 * hold random numbers, so branches go both ways; r9 runs down and then every branch leaves.
 */
function randomGraph(numbers: readonly number[], n: number): IrBlock[] {
  const dice = new Dice(numbers);
  return Array.from({ length: n }, (_, i) => {
    const b = new BlockBuilder(dice, false);
    const reg = (r: number): number => b.integer(Op.GetReg, Width.W64, { imm: BigInt(r) });
    const set = (r: number, a: number): void => {
      b.op(Op.SetReg, Width.W64, { a, imm: BigInt(r) });
    };
    const scale = b.constant(Width.W64, 31n);
    const scaled = b.integer(Op.Mul, Width.W64, { a: reg(8), b: scale });
    set(8, b.integer(Op.Add, Width.W64, { a: scaled, b: b.constant(Width.W64, BigInt(i + 1)) }));
    const r = dice.below(8);
    const bit = b.integer(Op.Rotr, Width.W64, { a: reg(r), b: b.constant(Width.W64, 7n) });
    set(r, bit);
    const one = b.constant(Width.W64, 1n);
    const left = b.integer(Op.Sub, Width.W64, { a: reg(9), b: one });
    set(9, left);
    if (dice.below(2) === 0) {
      b.op(Op.Flags, Width.W64, { a: left, b: one, imm: BigInt(FlagKind.SUB) });
    } else if (dice.below(2) === 0) {
      b.op(Op.Flags, Width.W8, {
        a: b.integer(Op.Truncate, Width.W8, { a: bit }),
        imm: BigInt(FlagKind.LOGIC),
      });
    }
    const condition = b.integer(Op.Condition, Width.W8, { imm: BigInt(dice.below(16)) });
    const target = (): bigint => address(dice.below(n + 1));
    const kind = dice.below(5);
    if (kind === 0) return b.finish(address(i), { op: Op.Jump, imm: target() });
    return b.finish(address(i), { op: Op.Branch, a: condition, imm: target(), imm2: target() });
  });
}

describe('random graphs of blocks', () => {
  it('run the same as one region and as interpreted blocks', () => {
    const interpreter = new BlockRig(true);
    const translator = new BlockRig(true);
    const numbers = fc.array(fc.integer(), { minLength: 60, maxLength: 120 });
    fc.assert(
      fc.property(numbers, fc.integer({ min: 1, max: 12 }), (drawn, n) => {
        const blocks = randomGraph(drawn, n).map((ir) => ({
          ir,
          baseTicks: 0,
          resolveTicks: 0,
          record: 0,
        }));
        const byAddress = new Map(blocks.map((block) => [block.ir.address, block]));
        const region = formRegion(blocks[0], {
          block: (at) => byAddress.get(at),
          blocksMax: 64,
        }).map(({ ir }) => ir);
        const dice = new Dice(drawn);
        const initial: InitialState = {
          gpr: Array.from({ length: 16 }, () => dice.bits64()),
          xmm: Array.from({ length: 32 }, () => 0n),
          flags: { op: dice.below(40), result: 1n, source: 1n, aux: 0n },
          data: new Uint8Array(8192),
          left: BigInt(dice.below(40_000)),
        };
        const expected = interpreter.interpret(region, initial);
        const actual = translator.translate(region, initial);
        expect(actual).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});
