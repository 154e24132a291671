/**
 * What pressure stall information costs at switches and wake-ups, after Linux 6.1
 * kernel/sched/psi.c. Omits: the figures themselves.
 */
import { PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';
import { chargeSchedClock } from './clock.ts';

/** psi_task_change at a wake-up. */
export function psiTaskChange(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.psi_task_change, 34);
  cpu.run(F.psi_flags_change, 22);
  groupChange(kernel, 190);
}

export interface Switch {
  readonly isSleeping: boolean;
  readonly fromIdle: boolean;
  readonly toIdle: boolean;
}

/** psi_task_switch */
export function psiTaskSwitch(kernel: Kernel, { isSleeping, fromIdle, toIdle }: Switch): void {
  const { cpu } = kernel;
  const oneSided = fromIdle || toIdle;
  cpu.run(F.psi_task_switch, oneSided ? 60 : isSleeping ? 93 : 72);
  cpu.runCalls(F.psi_flags_change, oneSided ? 22 : 44, oneSided ? 1 : 2);
  if (isSleeping || oneSided) groupChange(kernel, fromIdle ? 162 : toIdle ? 181 : 195);
}

function groupChange(kernel: Kernel, instructions: number): void {
  const { cpu } = kernel;
  cpu.run(F.psi_group_change, instructions);
  cpu.writePerCpu(PerCpu.CPU_TIMES);
  chargeSchedClock(kernel);
  cpu.run(F.record_times, 17);
}
