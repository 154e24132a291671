/** SSE moves: whole registers, scalars, halves, and to and from general registers. */
import { Op, Width } from '../ir.ts';
import { OperandKind } from '../decode.ts';
import type { Operand } from '../decode.ts';
import { operandAt, widthOf } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import {
  extractLane,
  getXmm,
  mergeLow,
  readVector,
  setXmm,
  shuffleLanes,
  storeVector,
  vectorConstant,
  xmmIndex,
} from './vectors.ts';
import type { Alignment } from './vectors.ts';

function moveWhole(alignment: Alignment): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    const value = readVector(emit, source, Width.W128, alignment);
    if (destination.kind === OperandKind.XMM) setXmm(emit, destination.index, value);
    else storeVector(emit, destination, Width.W128, value, alignment);
  };
}

/** movss, movsd: a load clears the rest of the register, a register move keeps it. */
function moveScalar(width: Width): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    if (destination.kind !== OperandKind.XMM) {
      storeVector(emit, destination, width, getXmm(emit, xmmIndex(source)));
    } else if (source.kind === OperandKind.XMM) {
      const [low, whole] = [getXmm(emit, source.index), getXmm(emit, destination.index)];
      setXmm(emit, destination.index, mergeLow(emit, low, whole, width));
    } else {
      setXmm(emit, destination.index, readVector(emit, source, width));
    }
  };
}

function writeInteger(emit: Emitter, operand: Operand, width: Width, vector: Temp): void {
  if (operand.kind === OperandKind.MEMORY) storeVector(emit, operand, width, vector);
  else emit.write(operand, width, extractLane(emit, vector, width, 0));
}

/** movd and movq between an xmm register and a general register, memory, or (movq) another. */
const moveInteger: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (destination.kind !== OperandKind.XMM) {
    writeInteger(emit, destination, widthOf(destination), getXmm(emit, xmmIndex(source)));
  } else if (source.kind === OperandKind.REGISTER) {
    const integer = emit.read(source, source.width);
    const zero = vectorConstant(emit, 0n, 0n);
    const value = emit.value(Op.InsertLane, source.width, zero, integer);
    setXmm(emit, destination.index, value);
  } else if (source.kind === OperandKind.XMM) {
    const zero = vectorConstant(emit, 0n, 0n);
    setXmm(emit, destination.index, mergeLow(emit, getXmm(emit, source.index), zero, Width.W64));
  } else {
    setXmm(emit, destination.index, readVector(emit, source, widthOf(source)));
  }
};

/** movlps, movlpd (half 0), movhps, movhpd (half 1): one half to or from memory. */
function moveHalf(half: 0 | 1): Lifter {
  return (emit, instruction) => {
    const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
    if (destination.kind === OperandKind.XMM) {
      const loaded = readVector(emit, source, Width.W64);
      const old = getXmm(emit, destination.index);
      const lanes = half === 0 ? [2, 1] : [0, 2];
      setXmm(emit, destination.index, shuffleLanes(emit, old, loaded, 8, lanes));
    } else {
      const value = getXmm(emit, xmmIndex(source));
      const low = half === 0 ? value : shuffleLanes(emit, value, value, 8, [1, 1]);
      storeVector(emit, destination, Width.W64, low);
    }
  };
}

/** Register to register: lanes of old destination (0, 1) and source (2, 3). */
function rearrange(laneBytes: number, lanes: readonly number[], memory: Width): Lifter {
  return (emit, instruction) => {
    const index = xmmIndex(operandAt(instruction, 0));
    const source = operandAt(instruction, 1);
    const alignment = memory === Width.W128 ? 'aligned' : 'any';
    const value = readVector(emit, source, memory, alignment);
    setXmm(emit, index, shuffleLanes(emit, getXmm(emit, index), value, laneBytes, lanes));
  };
}

const nonTemporal = moveWhole('aligned');

export const VECTOR_MOVE_LIFTERS: LifterTable = {
  movaps: moveWhole('aligned'),
  movapd: moveWhole('aligned'),
  movdqa: moveWhole('aligned'),
  movups: moveWhole('any'),
  movupd: moveWhole('any'),
  movdqu: moveWhole('any'),
  lddqu: moveWhole('any'),
  movntdq: nonTemporal,
  movntps: nonTemporal,
  movntpd: nonTemporal,
  movss: moveScalar(Width.W32),
  movsd: moveScalar(Width.W64),
  movd: moveInteger,
  movq: moveInteger,
  movlps: moveHalf(0),
  movlpd: moveHalf(0),
  movhps: moveHalf(1),
  movhpd: moveHalf(1),
  movhlps: rearrange(8, [3, 1], Width.W128),
  movlhps: rearrange(8, [0, 2], Width.W128),
  movddup: rearrange(8, [2, 2], Width.W64),
  movsldup: rearrange(4, [4, 4, 6, 6], Width.W128),
  movshdup: rearrange(4, [5, 5, 7, 7], Width.W128),
};
