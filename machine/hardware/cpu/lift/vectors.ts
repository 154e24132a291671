/** What all SSE lifters need: operands, shuffles, constants. */
import { NONE, Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import type { Operand } from '../decode.ts';
import type { Simd } from '../simd.ts';
import { Unsupported } from './emitter.ts';
import type { Emitter, Temp } from './emitter.ts';

/** Memory operands of 16 bytes fault unless aligned, save for the moves that say otherwise. */
export type Alignment = 'aligned' | 'any';

export function getXmm(emit: Emitter, index: number): Temp {
  return emit.value(Op.GetXmm, Width.W128, NONE, NONE, NONE, BigInt(index));
}

export function setXmm(emit: Emitter, index: number, value: Temp): void {
  emit.effect(Op.SetXmm, Width.W128, value, NONE, NONE, BigInt(index));
}

/** Index of an operand that must be an xmm register. */
export function xmmIndex(operand: Operand): number {
  if (operand.kind !== OperandKind.XMM) throw new Unsupported('operand');
  return operand.index;
}

/** An xmm register, or `width` bits of memory zero-extended to 128. */
export function readVector(
  emit: Emitter,
  operand: Operand,
  width: Width,
  alignment: Alignment = 'aligned',
): Temp {
  if (operand.kind === OperandKind.XMM) return getXmm(emit, operand.index);
  if (operand.kind !== OperandKind.MEMORY) throw new Unsupported('operand');
  const checked = alignment === 'aligned' && width === Width.W128 ? 1n : 0n;
  return emit.value(Op.LoadVector, width, emit.address(operand), NONE, NONE, checked);
}

/** Stores the low `width` bits to a memory operand. */
export function storeVector(
  emit: Emitter,
  operand: Operand,
  width: Width,
  value: Temp,
  alignment: Alignment = 'aligned',
): void {
  if (operand.kind !== OperandKind.MEMORY) throw new Unsupported('operand');
  const checked = alignment === 'aligned' && width === Width.W128 ? 1n : 0n;
  emit.effect(Op.StoreVector, width, emit.address(operand), value, NONE, checked);
}

export function simd(emit: Emitter, opcode: Simd, a: Temp, b: Temp = NONE): Temp {
  return emit.value(Op.Vector, Width.W128, a, b, NONE, BigInt(opcode));
}

export function vectorConstant(emit: Emitter, low: bigint, high: bigint): Temp {
  return emit.value(Op.VectorConst, Width.W128, NONE, NONE, NONE, low, high);
}

function packIndices(indices: readonly number[]): bigint {
  return indices.reduceRight((packed, index) => (packed << 8n) | BigInt(index), 0n);
}

/** Bytes of a (0..15) and b (16..31) by index. */
export function shuffleBytes(emit: Emitter, a: Temp, b: Temp, indices: readonly number[]): Temp {
  const low = packIndices(indices.slice(0, 8));
  const high = packIndices(indices.slice(8));
  return emit.value(Op.Shuffle, Width.W128, a, b, NONE, low, high);
}

/** The same with lanes of `laneBytes`: lane n of b is numbered 16 / laneBytes + n. */
export function shuffleLanes(
  emit: Emitter,
  a: Temp,
  b: Temp,
  laneBytes: number,
  lanes: readonly number[],
): Temp {
  const indices = lanes.flatMap((lane) =>
    Array.from({ length: laneBytes }, (_, byte) => lane * laneBytes + byte),
  );
  return shuffleBytes(emit, a, b, indices);
}

/** `whole` with its low `width` bits taken from `low`. */
export function mergeLow(emit: Emitter, low: Temp, whole: Temp, width: Width): Temp {
  const bytes = 1 << width;
  const indices = Array.from({ length: 16 }, (_, byte) => (byte < bytes ? byte : 16 + byte));
  return shuffleBytes(emit, low, whole, indices);
}

export function extractLane(emit: Emitter, vector: Temp, width: Width, lane: number): Temp {
  return emit.value(Op.ExtractLane, width, vector, NONE, NONE, BigInt(lane));
}

export function insertLane(
  emit: Emitter,
  vector: Temp,
  width: Width,
  lane: number,
  value: Temp,
): Temp {
  return emit.value(Op.InsertLane, width, vector, value, NONE, BigInt(lane));
}
