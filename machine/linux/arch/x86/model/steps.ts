/**
 * Ours, not Linux's: stretches of kernel code without branches of interest, as data: which functions
 * run, with how many retired instructions, as counted on a real kernel (datasets/linux-6.1-paths).
 */
import type { F } from './generated/function-ids.ts';
import type { KernelCpu } from './kernel-cpu.ts';

/** Function, its own instructions over all calls, calls (1), indirect calls that it makes (0). */
export type Step = readonly [fn: F, instructions: number, calls?: number, indirect?: number];

export type Steps = readonly Step[];

export function runSteps(cpu: KernelCpu, steps: Steps): void {
  for (const [fn, instructions, calls, indirect] of steps) {
    if (calls === undefined) cpu.run(fn, instructions);
    else cpu.runCalls(fn, instructions, calls);
    if (indirect !== undefined) cpu.indirect(indirect);
  }
}
