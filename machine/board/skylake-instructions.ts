/**
 * Instruction costs of the skylake board by mnemonic. Whatever is absent costs the board's default.
 * Mnemonics that name the same object share an execution resource: their throughputs add up.
 */
import type { InstructionCost } from './board.ts';
import { instructionTable } from './instruction-groups.ts';

export const SKYLAKE_INSTRUCTIONS_SOURCE =
  'uops.info and Agner Fog, instruction tables, Skylake; Intel 64 and IA-32 Architectures ' +
  'Optimization Reference Manual (248966), table of Skylake client latencies';

const cost = (throughput: number, latency: number): InstructionCost => ({ throughput, latency });
const serial = (cycles: number): InstructionCost => ({
  throughput: 0,
  latency: cycles,
  serializing: true,
});

/** Four integer ports: 0, 1, 5 and 6; shifts and taken branches on 0 and 6, multiplies on 1. */
export const SKYLAKE_INSTRUCTIONS: Readonly<Record<string, InstructionCost>> = instructionTable({
  nop: cost(0.25, 0),
  load: cost(0.5, 5),
  vectorLoad: cost(0.5, 6),
  store: cost(1, 0),
  forward: cost(0, 4),
  move: cost(0.25, 0),
  extend: cost(0.25, 1),
  branch: cost(0.5, 1),
  call: cost(1, 0),
  taken: cost(1, 0),
  push: cost(0.5, 0),
  conditional: cost(0.5, 1),
  shift: cost(0.5, 1),
  doubleShift: cost(1, 3),
  rotateCarry: cost(2, 2),
  multiply: cost(1, 3),
  divide: cost(6, 26),
  divide64: cost(24, 42),
  bitScan: cost(1, 3),
  bitTest: cost(0.5, 1),
  swap: cost(0.5, 1),
  exchange: cost(1, 2),
  compareExchange: cost(4, 5),
  lock: cost(18, 14),
  string: cost(1.5, 3),
  repStart: cost(2, 2),
  repMove: cost(1 / 32, 35),
  repStore: cost(1 / 32, 35),
  repShort: cost(0, 35),
  repElement: cost(2, 0),
  vectorMove: cost(0.25, 0),
  vectorStream: cost(1, 0),
  vectorInteger: cost(1 / 3, 1),
  vectorShuffle: cost(1, 1),
  vectorShift: cost(0.5, 1),
  vectorMultiply: cost(0.5, 5),
  vectorToInteger: cost(1, 2),
  integerToVector: cost(1, 2),
  floatLogic: cost(1 / 3, 1),
  floatAdd: cost(0.5, 4),
  floatMultiply: cost(0.5, 4),
  floatDivide32: cost(3, 11),
  floatDivide64: cost(4, 13),
  floatSqrt32: cost(3, 12),
  floatSqrt64: cost(4.5, 16),
  floatCompare: cost(1, 3),
  floatConvert: cost(1, 5),
  floatConvertInteger: cost(1, 6),
  x87Move: cost(0.5, 1),
  x87Add: cost(1, 4),
  x87Divide: cost(5, 15),
  x87Remainder: cost(17, 27),
  x87Control: cost(2, 4),
  rdtsc: serial(25),
  rdtscp: serial(32),
  rdpid: cost(6, 6),
  lsl: cost(40, 40),
  cpuid: serial(100),
  lfence: serial(4),
  mfence: serial(33),
  sfence: cost(6, 6),
  pause: serial(140),
  syscall: cost(0, 0),
  mxcsr: cost(5, 7),
  saveState: cost(64, 64),
});
