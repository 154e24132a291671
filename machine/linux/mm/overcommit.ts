/** Whether memory may be promised, and the address space's own counts; after Linux 6.1 mm/util.c and mm/mmap.c. */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm } from '../include/linux/mm_types.ts';
import { Rlimit } from '../include/uapi/asm-generic/resource.ts';
import type { Kernel } from '../init/kernel.ts';
import { rlimitSoft } from '../include/linux/resource.ts';
import { Overcommit } from './vm-state.ts';

/** admin_reserve_kbytes and user_reserve_kbytes: 8 MiB and 128 MiB, in pages. */
const ADMIN_RESERVE_PAGES = 2048;
const USER_RESERVE_PAGES = 32768;

/** accountable_mapping: private and writable, unless MAP_NORESERVE. */
export function isAccountable(flags: number): boolean {
  return (flags & (Vm.NORESERVE | Vm.SHARED | Vm.WRITE)) === Vm.WRITE;
}

/** security_vm_enough_memory_mm and __vm_enough_memory: promises `pages` more, or refuses. */
export function vmEnoughMemory(kernel: Kernel, mm: MmStruct, pages: number): boolean {
  const { cpu, vm, buddy } = kernel;
  cpu.run(F.security_vm_enough_memory_mm, 36);
  cpu.indirect(2);
  cpu.run(F.cap_vm_enough_memory, 10);
  cpu.run(F.bpf_lsm_vm_enough_memory, 3);
  cpu.run(F.__vm_enough_memory, 26);
  cpu.run(F.percpu_counter_add_batch, 21);
  vm.committedPages += pages;
  const { overcommit, overcommitRatio } = vm.policy;
  if (overcommit === Overcommit.ALWAYS) return true;
  let allowed = buddy.managedPages;
  let wanted = pages;
  if (overcommit === Overcommit.NEVER) {
    wanted = vm.committedPages;
    allowed = Math.floor((allowed * overcommitRatio) / 100) - ADMIN_RESERVE_PAGES;
    allowed -= Math.min(Math.floor(mm.totalVm / 32), USER_RESERVE_PAGES);
  }
  if (wanted <= allowed) return true;
  vmUnacctMemory(kernel, pages);
  return false;
}

/** vm_unacct_memory */
export function vmUnacctMemory({ vm }: Kernel, pages: number): void {
  vm.committedPages -= pages;
}

/** is_data_mapping */
const isData = (flags: number): boolean =>
  (flags & (Vm.WRITE | Vm.SHARED | Vm.GROWSDOWN)) === Vm.WRITE;

/** may_expand_vm: RLIMIT_AS and RLIMIT_DATA. */
export function mayExpandVm(kernel: Kernel, mm: MmStruct, flags: number, pages: number): boolean {
  const { cpu, current } = kernel;
  cpu.run(F.may_expand_vm, 21);
  if ((mm.totalVm + pages) * PAGE_BYTES > rlimitSoft(current, Rlimit.AS)) return false;
  if (!isData(flags)) return true;
  return (mm.dataVm + pages) * PAGE_BYTES <= rlimitSoft(current, Rlimit.DATA);
}

/** vm_stat_account */
export function vmStatAccount(mm: MmStruct, flags: number, pages: number): void {
  mm.totalVm += pages;
  if (isData(flags)) mm.dataVm += pages;
}
