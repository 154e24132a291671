/**
 * The few routines that all generated code shares, generated themselves: the flags image of flags
 * whose kind is only known at run time, the work after a slow write, and the way in from the host.
 */
import { FlagKind, Width } from '../cpu/ir.ts';
import { Cpu, Header, Region } from '../layout.ts';
import { FLAGS_IMAGE_TYPE, LEFT_TYPE, REGION_TYPE } from './core-imports.ts';
import { FlagOperand, pushFlagsImage } from './flag-code.ts';
import { encodeModule, FunctionWriter, INDIRECT_TYPE_INDEX } from './wasm-encoder.ts';
import { ValueType, Wasm } from './wasm-opcodes.ts';

/** Exports of the support module. */
export interface SupportExports {
  /** Runs the region in table slot `slot`; returns an ExitReason. */
  readonly enter: (cpu: number, slot: number) => number;
  readonly afterWrite: WebAssembly.ExportValue;
  readonly checkCodeWritten: WebAssembly.ExportValue;
  readonly flagsImage: WebAssembly.ExportValue;
}

/**
 * LEFT is lowered by this much when code was written, so that the next end of a block leaves for
 * the dispatcher without a test of its own. The dispatcher puts it back.
 */
export const CODE_WRITTEN_BIAS = 1n << 61n;
const BIASED_BELOW = -(1n << 60n);

/** True for a value of LEFT that carries the bias. */
export function isBiased(left: bigint): boolean {
  return left < BIASED_BELOW;
}

/** With `left` on the stack: leaves it, lowered once if code was written. */
function lowerIfCodeWritten(w: FunctionWriter, left: number): void {
  w.i32Const(Region.HEADER);
  w.memory(Wasm.I32_LOAD, Header.CODE_WRITTEN);
  w.if();
  w.localGet(left);
  w.i64Const(BIASED_BELOW);
  w.u8(Wasm.I64_GE_S);
  w.if();
  w.localGet(left);
  w.i64Const(CODE_WRITTEN_BIAS);
  w.u8(Wasm.I64_SUB);
  w.localSet(left);
  w.end();
  w.end();
  w.localGet(left);
}

function checkCodeWritten(): FunctionWriter {
  const w = new FunctionWriter(2);
  lowerIfCodeWritten(w, 1);
  return w;
}

function afterWrite(): FunctionWriter {
  const w = new FunctionWriter(2);
  w.localGet(1);
  w.localGet(0);
  w.memory(Wasm.I64_LOAD32_U, Cpu.STALL);
  w.u8(Wasm.I64_SUB);
  w.localSet(1);
  lowerIfCodeWritten(w, 1);
  return w;
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
      kind: Math.floor(op / WIDTHS.length) as FlagKind,
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
        { type: LEFT_TYPE, body: afterWrite().finish(), exportName: 'afterWrite' },
        { type: LEFT_TYPE, body: checkCodeWritten().finish(), exportName: 'checkCodeWritten' },
        { type: FLAGS_IMAGE_TYPE, body: flagsImage().finish(), exportName: 'flagsImage' },
      ],
    },
    REGION_TYPE,
  );
}
