/**
 * System call names and arguments as traces and lists show them. After Linux 6.1
 * arch/x86/entry/syscalls/syscall_64.tbl.
 */
import { NR, type SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import { type ARGUMENT_TYPES, SIGNATURES } from './syscall-signatures.ts';

/** Numbers without a name, and numbers beyond the table. */
const UNKNOWN = 'unknown';

const ENTRIES = Object.entries(NR) as [SyscallName, number][];

/** Every name once, in order of number, then `unknown`: the dictionary of the `syscalls` table. */
export const SYSCALL_NAMES: readonly string[] = [...ENTRIES.map(([name]) => name), UNKNOWN];

const INDEX_BY_NUMBER = (() => {
  const last = Math.max(...ENTRIES.map(([, number]) => number));
  const index = new Uint16Array(last + 1).fill(ENTRIES.length);
  ENTRIES.forEach(([, number], i) => {
    index[number] = i;
  });
  return index;
})();

/** Index of call `number` in SYSCALL_NAMES. */
export function nameIndex(number: number): number {
  return number < INDEX_BY_NUMBER.length ? INDEX_BY_NUMBER[number] : ENTRIES.length;
}

export type ArgumentType = (typeof ARGUMENT_TYPES)[number];

export interface SyscallArgument {
  readonly name: string;
  readonly type: ArgumentType;
}

/** The arguments of a call, in order. */
export function argumentsOf(name: SyscallName): SyscallArgument[] {
  const words = SIGNATURES[name].split(' ').filter((word) => word !== '');
  return words.map((word) => {
    const [argument, type] = word.split(':');
    return { name: argument, type: type as ArgumentType };
  });
}
