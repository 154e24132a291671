/** All lifters by mnemonic: what this processor executes. Anything absent is #UD. */
import { OperandKind } from '../decode.ts';
import type { Decoded } from '../decode.ts';
import { ARITHMETIC_LIFTERS } from './arithmetic.ts';
import { BIT_LIFTERS } from './bits.ts';
import { CONTROL_LIFTERS } from './control.ts';
import type { Lifter, LifterTable } from './emitter.ts';
import { LOGIC_LIFTERS } from './logic.ts';
import { MMX_LIFTERS, MMX_RELATIVES } from './mmx.ts';
import { MOVE_LIFTERS } from './moves.ts';
import { SHIFT_LIFTERS } from './shifts.ts';
import { STACK_LIFTERS } from './stack.ts';
import { STRING_LIFTERS } from './string.ts';
import { SYSTEM_LIFTERS } from './system.ts';
import { VECTOR_FLOAT_LIFTERS } from './vector-float.ts';
import { VECTOR_INTEGER_LIFTERS } from './vector-integer.ts';
import { VECTOR_MOVE_LIFTERS } from './vector-moves.ts';
import { X87_LIFTERS } from './x87.ts';

const LIFTERS: LifterTable = {
  ...MOVE_LIFTERS,
  ...ARITHMETIC_LIFTERS,
  ...LOGIC_LIFTERS,
  ...SHIFT_LIFTERS,
  ...BIT_LIFTERS,
  ...CONTROL_LIFTERS,
  ...STACK_LIFTERS,
  ...SYSTEM_LIFTERS,
  ...VECTOR_MOVE_LIFTERS,
  ...VECTOR_INTEGER_LIFTERS,
  ...VECTOR_FLOAT_LIFTERS,
  ...X87_LIFTERS,
  ...MMX_RELATIVES,
};

function tableOf(instruction: Decoded): LifterTable {
  // ins and outs are string instructions too, but privileged ones.
  const isString = instruction.string && Object.hasOwn(STRING_LIFTERS, instruction.mnemonic);
  if (isString) return STRING_LIFTERS;
  const isMmx = instruction.operands.some(({ kind }) => kind === OperandKind.MMX);
  return isMmx ? MMX_LIFTERS : LIFTERS;
}

/** The lifter of an instruction, or undefined when it is outside the instruction set. */
export function lifterOf(instruction: Decoded): Lifter | undefined {
  const table = tableOf(instruction);
  return Object.hasOwn(table, instruction.mnemonic) ? table[instruction.mnemonic] : undefined;
}
