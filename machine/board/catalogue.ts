/** What the machine offers by name, as data for people: kernel words, system calls, trace tables. */
import type { TableSpec } from '../core/trace/event-table.ts';
import {
  SYSCALL_TABLE,
  type SyscallEntry,
} from '../linux/arch/x86/entry/syscalls/syscall-table.ts';
import { ROOT_DIRECTORIES, ROOT_FILES } from '../linux/init/initramfs.ts';
import { KERNEL_WORDS } from '../linux/init/kernel-parameters.ts';
import type { KernelWord } from '../linux/init/kernel-word.ts';
import { DECLARED_TABLES } from '../linux/trace/specs.ts';
import { TRACE_TABLES } from './trace-tables.ts';

/** One system call of the guest and how far it is modelled. */
export type SystemCall = Pick<SyscallEntry, 'name' | 'support' | 'omits'> & {
  readonly number: number;
};

/** Regular files of every guest's root file system; a run may replace them. */
export const rootFiles = (): readonly string[] => ROOT_FILES;

/** Directories of every guest's root file system. */
export const rootDirectories = (): readonly string[] => ROOT_DIRECTORIES;

export const kernelWords = (): readonly KernelWord[] => KERNEL_WORDS;

/** The tables that a run can record. */
export const traceTables = (): readonly TableSpec[] => TRACE_TABLES;

/** Tables whose names and columns are settled, and whose events the model does not produce yet. */
export const declaredTables = (): readonly TableSpec[] => DECLARED_TABLES;

/** Every call that has a number, in order. */
export function systemCalls(): SystemCall[] {
  return SYSCALL_TABLE.flatMap((entry, number) =>
    entry === undefined
      ? []
      : [{ number, name: entry.name, support: entry.support, omits: entry.omits }],
  );
}
