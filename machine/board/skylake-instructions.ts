/** Instruction costs of the skylake board by mnemonic. Whatever is absent costs the board's default. */
import type { InstructionCost } from './board.ts';

export const SKYLAKE_INSTRUCTIONS: Readonly<Record<string, InstructionCost>> = {};

export const SKYLAKE_INSTRUCTIONS_SOURCE = 'no instruction has a figure of its own yet';
