/**
 * System instructions and hints that user code executes. Omits: everything privileged, xgetbv and
 * xsave (no OSXSAVE), wrfsbase (no FSGSBASE): those become #UD.
 */
import { Cpu } from '../../layout.ts';
import { Helper, NONE, Op, Width } from '../ir.ts';
import { operandAt, RAX, RCX, RDX, Unsupported } from './emitter.ts';
import type { Emitter, Lifter, LifterTable, Temp } from './emitter.ts';
import { FlagBit, flagsWithout, setRaw } from './flags.ts';
import { OperandKind } from '../decode.ts';
import type { Decoded } from '../decode.ts';
import { nextAddress } from './control.ts';

const GENERAL_PROTECTION = 13;
const R11 = 11;
/** MXCSR bits that exist; writing another one is #GP. */
const MXCSR_MASK = 0xffff;
/** Selector through which Linux publishes the CPU number to `lsl`. */
const CPU_NUMBER_SELECTOR = 0x7b;

/** `0F 1F 84 00 imm32` with this upper half of imm32 marks a phase; see ExitReason.MARKER. */
const MARKER_TAG = 0x4c43n;

/** The number of a marker NOP, or undefined for any other instruction. */
export function markerNumber(instruction: Decoded): number | undefined {
  const operand = instruction.operands.at(0);
  if (instruction.mnemonic !== 'nop' || operand?.kind !== OperandKind.MEMORY) return undefined;
  const isForm = instruction.length === 8 && operand.base === RAX && operand.index === RAX;
  if (!isForm || operand.scale !== 1 || operand.displacement >> 16n !== MARKER_TAG) {
    return undefined;
  }
  return Number(operand.displacement & 0xffffn);
}

const nothing: Lifter = () => undefined;

/** nop with its marker form. */
const nop: Lifter = (emit, instruction) => {
  const marker = markerNumber(instruction);
  if (marker === undefined) return;
  emit.effect(Op.Marker, Width.W64, NONE, NONE, NONE, BigInt(marker), nextAddress(instruction));
};

const syscall: Lifter = (emit, instruction) => {
  emit.setRegister(RCX, emit.constant(nextAddress(instruction)));
  emit.setRegister(R11, rflagsImage(emit));
  emit.effect(Op.Syscall, Width.W64, NONE, NONE, NONE, nextAddress(instruction));
};

const pause: Lifter = (emit, instruction) => {
  emit.effect(Op.Pause, Width.W64, NONE, NONE, NONE, nextAddress(instruction));
};

function rflagsImage(emit: Emitter): Temp {
  const direction = emit.withConstant(Op.Shl, Width.W64, emit.getState(Cpu.DF, Width.W32), 10);
  const other = emit.getState(Cpu.RFLAGS_OTHER, Width.W32);
  const fixed = emit.withConstant(Op.Or, Width.W64, other, 2);
  const upper = emit.value(Op.Or, Width.W64, fixed, direction);
  return emit.value(Op.Or, Width.W64, upper, emit.value(Op.GetFlags, Width.W64));
}

function setHalves(emit: Emitter, value: Temp, low: number, high: number): void {
  emit.setRegister(low, emit.truncate(Width.W32, value), Width.W32);
  emit.setRegister(high, emit.withConstant(Op.Shr, Width.W64, value, 32), Width.W32);
}

const cpuid: Lifter = (emit) => {
  const leaf = emit.getRegister(RAX, Width.W32);
  const first = emit.call(Helper.Cpuid, leaf, emit.getRegister(RCX, Width.W32));
  const second = emit.callResult();
  setHalves(emit, first, RAX, 3);
  setHalves(emit, second, RCX, RDX);
};

const readTsc: Lifter = (emit) => {
  setHalves(emit, emit.call(Helper.ReadTsc), RAX, RDX);
};

const readTscAndCpu: Lifter = (emit) => {
  setHalves(emit, emit.call(Helper.ReadTsc), RAX, RDX);
  emit.setRegister(RCX, emit.getState(Cpu.TSC_AUX, Width.W32), Width.W32);
};

const readCpuNumber: Lifter = (emit, instruction) => {
  emit.write(operandAt(instruction, 0), Width.W64, emit.getState(Cpu.TSC_AUX, Width.W32));
};

/** lsl: the CPU number through its selector; any other selector is not there. */
const loadSegmentLimit: Lifter = (emit, instruction) => {
  const [destination, source] = [operandAt(instruction, 0), operandAt(instruction, 1)];
  if (destination.kind !== OperandKind.REGISTER) throw new Unsupported('operand');
  const width = destination.width;
  const selector = emit.read(source, Width.W16);
  const known = emit.withConstant(Op.Eq, Width.W16, selector, CPU_NUMBER_SELECTOR);
  const limit = emit.getState(Cpu.TSC_AUX, Width.W32);
  const kept = emit.read(destination, width);
  emit.write(destination, width, emit.value(Op.Select, width, known, limit, kept));
  const zero = emit.withConstant(Op.Shl, Width.W64, known, 6);
  setRaw(emit, emit.value(Op.Or, Width.W64, flagsWithout(emit, FlagBit.ZF), zero));
};

const loadMxcsr: Lifter = (emit, instruction) => {
  const value = emit.read(operandAt(instruction, 0), Width.W32);
  const valid = emit.constant(MXCSR_MASK, Width.W32);
  emit.trapIf(emit.value(Op.LtU, Width.W32, valid, value), GENERAL_PROTECTION);
  emit.setState(Cpu.MXCSR, Width.W32, value);
  emit.effect(Op.Dispatch, Width.W64, NONE, NONE, NONE, nextAddress(instruction));
};

const storeMxcsr: Lifter = (emit, instruction) => {
  emit.write(operandAt(instruction, 0), Width.W32, emit.getState(Cpu.MXCSR, Width.W32));
};

/** fxsave, fxrstor. */
function floatState(helper: Helper.FxSave | Helper.FxRestore): Lifter {
  return (emit, instruction) => {
    const operand = operandAt(instruction, 0);
    if (operand.kind !== OperandKind.MEMORY) throw new Unsupported('operand');
    const address = emit.address(operand);
    const low = emit.withConstant(Op.And, Width.W64, address, 15);
    emit.trapIf(emit.withConstant(Op.Ne, Width.W64, low, 0), GENERAL_PROTECTION);
    emit.effect(Op.Call, Width.W64, address, NONE, NONE, BigInt(helper));
    if (helper === Helper.FxSave) return;
    emit.effect(Op.Dispatch, Width.W64, NONE, NONE, NONE, nextAddress(instruction));
  };
}

/** A bit of rflags that lives in the arithmetic flags: clc, stc. */
function carryTo(value: 0 | 1): Lifter {
  return (emit) => {
    const kept = flagsWithout(emit, FlagBit.CF);
    setRaw(emit, emit.withConstant(Op.Or, Width.W64, kept, value));
  };
}

/** clflush: nothing to see of it, but the byte must be readable. */
const touch: Lifter = (emit, instruction) => {
  emit.read(operandAt(instruction, 0), Width.W8);
};

function directionTo(value: 0 | 1): Lifter {
  return (emit) => {
    emit.setState(Cpu.DF, Width.W32, emit.constant(value));
  };
}

const storeAhFlags: Lifter = (emit) => {
  const high = emit.value(Op.GetRegHigh, Width.W8, NONE, NONE, NONE, BigInt(RAX));
  const low = emit.withConstant(Op.And, Width.W64, high, 0xd5);
  const overflow = emit.withConstant(Op.And, Width.W64, emit.value(Op.GetFlags, Width.W64), 0x800);
  setRaw(emit, emit.value(Op.Or, Width.W64, low, overflow));
};

const complementCarry: Lifter = (emit) => {
  const flags = emit.value(Op.GetFlags, Width.W64);
  setRaw(emit, emit.withConstant(Op.Xor, Width.W64, flags, FlagBit.CF));
};

export const SYSTEM_LIFTERS: LifterTable = {
  nop,
  syscall,
  cpuid,
  rdtsc: readTsc,
  rdtscp: readTscAndCpu,
  rdpid: readCpuNumber,
  lsl: loadSegmentLimit,
  ldmxcsr: loadMxcsr,
  stmxcsr: storeMxcsr,
  fxsave: floatState(Helper.FxSave),
  fxsave64: floatState(Helper.FxSave),
  fxrstor: floatState(Helper.FxRestore),
  fxrstor64: floatState(Helper.FxRestore),
  clc: carryTo(0),
  stc: carryTo(1),
  cmc: complementCarry,
  cld: directionTo(0),
  std: directionTo(1),
  sahf: storeAhFlags,
  ...Object.fromEntries(
    ['lfence', 'mfence', 'sfence', 'endbr64', 'endbr32', 'reservednop'].map((name) => [
      name,
      nothing,
    ]),
  ),
  ...Object.fromEntries(
    // Long NOPs where the processor has no such feature: hints and shadow stacks.
    ['prefetchnta', 'prefetcht0', 'prefetcht1', 'prefetcht2', 'prefetchw', 'prefetch'].map(
      (name) => [name, nothing],
    ),
  ),
  clflush: touch,
  pause,
  rdsspq: nothing,
  rdsspd: nothing,
};
