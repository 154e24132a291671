/** The boards there are. */
import type { Board } from './board.ts';
import { SIMPLE } from './simple.ts';
import { SKYLAKE } from './skylake.ts';
import { ZEN4_VM } from './zen4-vm.ts';

export const BOARDS: readonly Board[] = [ZEN4_VM, SKYLAKE, SIMPLE];

/** The board with that name, if there is one. */
export function findBoard(name: string): Board | undefined {
  return BOARDS.find((board) => board.name === name);
}
