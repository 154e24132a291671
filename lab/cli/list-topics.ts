/** What `lab list` can show: each topic reads the registry that the rest of the lab uses. */
import type { TableColumn } from './output.ts';

export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly columns: readonly TableColumn[];
  /** The rows, one cell per column. Loads the registry only now. */
  readonly load: () => Promise<readonly (readonly (string | number)[])[]>;
}

async function systemCalls(): Promise<[number, string][]> {
  const { NR } = await import('../../machine/linux/include/uapi/asm/unistd-64.ts');
  return Object.entries(NR).map(([name, number]) => [number, name]);
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'syscalls',
    summary: 'the system calls of the guest, and how far each is modelled',
    columns: [{ title: 'nr', align: 'right' }, { title: 'name' }],
    load: systemCalls,
  },
];
