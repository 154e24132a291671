/**
 * Instruction costs of the zen4-vm board by mnemonic. Whatever is absent costs the board's default.
 * Mnemonics that name the same object share an execution resource: their throughputs add up.
 */
import type { InstructionCost } from './board.ts';
import { instructionTable } from './instruction-groups.ts';

export const ZEN4_VM_INSTRUCTIONS_SOURCE =
  'AMD Software Optimization Guide for Zen 4 (57647) and Agner Fog, instruction tables, Zen 4; ' +
  'rdtsc, rdtscp, cpuid, pause, lfence, mfence, lsl, lock, rep and 64-bit div measured on the reference ' +
  'host (datasets/host-zen4, insn_* and rep_*, TSC cycles x 1.412)';

const cost = (throughput: number, latency: number): InstructionCost => ({ throughput, latency });
const serial = (cycles: number): InstructionCost => ({
  throughput: 0,
  latency: cycles,
  serializing: true,
});

/** An exit to the hypervisor and back: insn_cpuid_vmexit, less the instruction itself. */
export const VM_EXIT_CYCLES = 18_330;
/** Agner Fog, instruction tables: 100 to 200 on bare metal. */
const CPUID_CYCLES = 100;

/** Four integer ALUs; two of them shift, one multiplies, two do branches. */
export const ZEN4_VM_INSTRUCTIONS: Readonly<Record<string, InstructionCost>> = instructionTable({
  nop: cost(1 / 6, 0),
  load: cost(1 / 3, 4),
  vectorLoad: cost(0.5, 7),
  store: cost(0.5, 0),
  forward: cost(0, 3),
  move: cost(1 / 6, 0),
  extend: cost(0.25, 1),
  branch: cost(0.5, 1),
  call: cost(2, 0),
  taken: cost(1, 0),
  push: cost(0.5, 0),
  conditional: cost(0.5, 1),
  shift: cost(0.5, 1),
  doubleShift: cost(2, 3),
  rotateCarry: cost(1, 1),
  multiply: cost(1, 3),
  divide: cost(6, 10),
  divide64: cost(7, 15),
  bitScan: cost(1, 1),
  bitTest: cost(0.5, 1),
  swap: cost(0.5, 1),
  exchange: cost(1, 1),
  compareExchange: cost(1, 2),
  lock: cost(8, 5),
  string: cost(2, 3),
  repStart: cost(2, 2),
  repMove: cost(1 / 30, 35),
  repStore: cost(1 / 38, 25),
  repShort: cost(0, 12),
  repElement: cost(2, 0),
  vectorMove: cost(1 / 4, 0),
  // bw_ntstore 256K to 16384K: 6.4 TSC = 9 cycles for the four of a line, whatever its size.
  vectorStream: cost(9 / 4, 0),
  vectorInteger: cost(0.25, 1),
  vectorShuffle: cost(0.5, 1),
  vectorShift: cost(0.5, 1),
  vectorMultiply: cost(0.5, 3),
  vectorToInteger: cost(1, 3),
  integerToVector: cost(1, 3),
  floatLogic: cost(0.25, 1),
  floatAdd: cost(0.5, 3),
  floatMultiply: cost(0.5, 3),
  floatDivide32: cost(3.5, 11),
  floatDivide64: cost(5, 13),
  floatSqrt32: cost(5, 15),
  floatSqrt64: cost(8.5, 21),
  floatCompare: cost(1, 4),
  floatConvert: cost(1, 4),
  floatConvertInteger: cost(1, 7),
  x87Move: cost(0.5, 1),
  x87Add: cost(1, 7),
  x87Divide: cost(6, 15),
  x87Remainder: cost(20, 40),
  x87Control: cost(4, 4),
  // Measured on the reference host.
  rdtsc: cost(35, 50),
  rdtscp: serial(67.6),
  rdpid: cost(2, 2),
  lsl: cost(59, 59),
  cpuid: serial(CPUID_CYCLES + VM_EXIT_CYCLES),
  lfence: serial(19.6),
  mfence: serial(60.8),
  sfence: cost(1, 1),
  pause: serial(90.8),
  syscall: cost(0, 0),
  mxcsr: cost(13, 13),
  saveState: cost(60, 60),
});
