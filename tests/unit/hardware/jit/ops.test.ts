/** Every IR op, executed by both executors on random inputs, must leave the same machine behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomBlock, Dice } from './random-block.ts';
import { BlockRig, type InitialState } from './rig.ts';

const RUNS = 80;

function initialState(numbers: readonly number[]): InitialState {
  const dice = new Dice(numbers);
  const data = new Uint8Array(8192);
  for (let i = 0; i < data.length; i++) data[i] = (i * 167 + numbers[i % numbers.length]) & 0xff;
  return {
    gpr: Array.from({ length: 16 }, () => dice.bits64()),
    xmm: Array.from({ length: 32 }, () => dice.bits64()),
    flags: {
      op: dice.below(40),
      result: BigInt(dice.below(256)),
      source: BigInt(dice.below(2)),
      aux: BigInt(dice.below(2)),
    },
    data,
    left: BigInt(dice.pick([1_000_000, 10, 60_000])),
    // Sticky bits, rounding modes, DAZ and FTZ.
    mxcsr: dice.pick([0x1f80, 0x1fa0, 0x1fa0, 0x1fbf, 0x9fe0, 0x3fa0, 0x5f80, 0x1fe3, 0x9fa0]),
  };
}

const numbers = fc.array(fc.integer(), { minLength: 40, maxLength: 200 });

describe.each([
  { name: 'integer ops, filter on', vectors: false, filter: true },
  { name: 'integer ops, filter off', vectors: false, filter: false },
  { name: 'vector ops', vectors: true, filter: true },
])('$name', ({ vectors, filter }) => {
  it('leave the same state, memory, ticks and records in both executors', () => {
    const interpreter = new BlockRig(filter);
    const translator = new BlockRig(filter);
    fc.assert(
      fc.property(numbers, (drawn) => {
        const block = randomBlock(drawn, vectors);
        const initial = initialState(drawn);
        const expected = interpreter.interpret([block], initial);
        const actual = translator.translate([block], initial);
        expect(actual).toEqual(expected);
      }),
      { numRuns: RUNS },
    );
  });
});
