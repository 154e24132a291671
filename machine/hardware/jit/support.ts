/**
 * The two routines that all generated code shares, generated themselves: the flags image of flags
 * whose kind is only known at run time, and the way in from the host.
 */
import { FlagKind, Width } from '../cpu/ir.ts';
import { FLAGS_IMAGE_TYPE, REGION_TYPE } from './core-imports.ts';
import type { FlagOperand } from './flag-code.ts';
import { pushFlagsImage } from './flag-code.ts';
import { encodeModule, FunctionWriter, INDIRECT_TYPE_INDEX } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

/** Exports of the support module. */
export interface SupportExports {
  /** Runs the region in table slot `slot`; returns an ExitReason. */
  readonly enter: (cpu: number, slot: number) => number;
  readonly flagsImage: CallableFunction;
}

const WIDTHS = [Width.W8, Width.W16, Width.W32, Width.W64] as const;
const KIND_COUNT: number = FlagKind.MULTIPLY + 1;

/** A jump table over kind and width, each case the code that fused flags would run. */
function flagsImage(): FunctionWriter {
  const w = new FunctionWriter(4);
  const cases = KIND_COUNT * WIDTHS.length;
  for (let i = 0; i <= cases; i++) w.block();
  w.localGet(0);
  w.u8(Wasm.BR_TABLE);
  w.unsigned(cases);
  for (let i = 0; i <= cases; i++) w.unsigned(i);
  for (let op = 0; op < cases; op++) {
    w.end();
    pushFlagsImage({
      w,
      kind: Math.floor(op / WIDTHS.length),
      width: WIDTHS[op % WIDTHS.length],
      push: (operand: FlagOperand, type) => {
        w.localGet(1 + operand);
        if (type === ValueType.I32) w.u8(Wasm.I32_WRAP_I64);
      },
    });
    w.u8(Wasm.RETURN);
  }
  w.end();
  w.u8(Wasm.UNREACHABLE);
  return w;
}

function enter(): FunctionWriter {
  const w = new FunctionWriter(2);
  w.localGet(0);
  w.localGet(1);
  w.u8(Wasm.CALL_INDIRECT);
  w.unsigned(INDIRECT_TYPE_INDEX);
  w.unsigned(0);
  return w;
}

/** The bytes of the support module; it imports memory and table only. */
export function supportModule(): Uint8Array<ArrayBuffer> {
  const enterType = { parameters: [ValueType.I32, ValueType.I32], results: [ValueType.I32] };
  return encodeModule(
    {
      imports: [],
      functions: [
        { type: enterType, body: enter().finish(), exportName: 'enter' },
        { type: FLAGS_IMAGE_TYPE, body: flagsImage().finish(), exportName: 'flagsImage' },
      ],
    },
    REGION_TYPE,
  );
}
