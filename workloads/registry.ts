/** Every workload, by name. A new one is a file under its subject and a line here. */
import { ioUringBatching } from './io/io-uring-batching.ts';
import { futexContention } from './lock/futex-contention.ts';
import type { Workload } from './lib/program.ts';
import { tlbThrash } from './memory/tlb-thrash.ts';
import { syscallStorm } from './process/syscall-storm.ts';
import { vdsoVsSyscall } from './time/vdso-vs-syscall.ts';

/** In the order in which `lab list workloads` shows them. */
export const WORKLOADS: readonly Workload[] = [
  syscallStorm,
  vdsoVsSyscall,
  tlbThrash,
  futexContention,
  ioUringBatching,
];

/** The workload of that name, if there is one. */
export function findWorkload(name: string): Workload | undefined {
  return WORKLOADS.find((workload) => workload.name === name);
}
