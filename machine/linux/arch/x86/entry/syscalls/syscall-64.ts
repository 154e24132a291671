/** System call names as the trace tables list them, from include/uapi/asm/unistd-64.ts. */
import { NR, type SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';

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
