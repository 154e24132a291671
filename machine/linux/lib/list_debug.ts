/** Checks of list links (CONFIG_DEBUG_LIST), after Linux 6.1 lib/list_debug.c. */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';

export function listAddValid(cpu: KernelCpu): void {
  cpu.run(F.__list_add_valid, 17);
}

export function listDelEntryValid(cpu: KernelCpu, count = 1): void {
  cpu.runCalls(F.__list_del_entry_valid, 20 * count, count);
}
