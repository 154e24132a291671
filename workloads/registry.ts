/** Every workload, by name. A new one is a file under its subject and a line here. */
import type { Workload } from './lib/program.ts';
import { vdsoVsSyscall } from './time/vdso-vs-syscall.ts';

/** In the order in which `lab list workloads` shows them. */
export const WORKLOADS: readonly Workload[] = [vdsoVsSyscall];

/** The workload of that name, if there is one. */
export function findWorkload(name: string): Workload | undefined {
  return WORKLOADS.find((workload) => workload.name === name);
}
