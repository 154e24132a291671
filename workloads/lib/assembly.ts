/** The words that a workload's code is written in: registers, memory operands, labels. */
export {
  address,
  byte,
  dword,
  qword,
  registers,
  word,
} from '../../machine/hardware/cpu/assembler.ts';
export type { Label, Register } from '../../machine/hardware/cpu/assembler.ts';
