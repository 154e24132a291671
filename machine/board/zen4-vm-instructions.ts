/** Instruction costs of the zen4-vm board by mnemonic. Whatever is absent costs the board's default. */
import type { InstructionCost } from './board.ts';

export const ZEN4_VM_INSTRUCTIONS: Readonly<Record<string, InstructionCost>> = {};

export const ZEN4_VM_INSTRUCTIONS_SOURCE = 'no instruction has a figure of its own yet';
