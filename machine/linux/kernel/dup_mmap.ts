/**
 * The copy of an address space at fork, after Linux 6.1 kernel/fork.c (dup_mm, dup_mmap). Omits:
 * userfaultfd, uprobes, memory policies.
 */
import { flushTlbMmRange } from '../arch/x86/mm/tlbflush.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { masBulkDestroy, masExpectedEntries, masFindEach, masStore } from '../lib/maple_tree.ts';
import { copyPageRange } from '../mm/copy_page_range.ts';
import { vmEnoughMemory, vmStatAccount } from '../mm/overcommit.ts';
import { anonVmaFork } from '../mm/rmap.ts';
import { mutexLock, mutexUnlock } from './locking/mutex.ts';
import { downWrite, downWriteKillable, upWrite } from './locking/rwsem.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu/tree_plugin.ts';

/** Mappings that a new child does not inherit the locks of. */
const LOCK_FLAGS = Vm.LOCKED | Vm.LOCKONFAULT;
/** Instructions of dup_mmap itself: once, per mapping, and more for a mapping of a file. */
const ONCE = 340;
const PER_MAPPING = 62;
const PER_FILE = 31;

/**
 * Fills `newmm`, fresh from mmAlloc(), with what fork inherits of `oldmm`. Returns 0 or -ENOMEM;
 * after an error `newmm` is consistent, and mmput() takes it down.
 */
export function dupMmap(kernel: Kernel, oldmm: MmStruct, newmm: MmStruct): number {
  const { cpu } = kernel;
  copyFields(oldmm, newmm);
  cpu.run(F.uprobe_start_dup_mmap, 17);
  downWriteKillable(cpu, oldmm.address + 64);
  cpu.run(F.uprobe_dup_mmap, 5);
  downWrite(cpu, newmm.address + 64);
  cpu.run(F.get_mm_exe_file, 17);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
  const nodes = masExpectedEntries(kernel, kernel.caches.mapleNode, oldmm.vmas.list.length);
  let error = nodes === null ? -Errno.ENOMEM : 0;
  let own = ONCE;
  if (nodes !== null) {
    masFindEach(cpu, oldmm.vmas);
    // The list does not change under the walk: only page tables of the old space do.
    for (const vma of oldmm.vmas.list) {
      own += PER_MAPPING + (vma.file === null ? 0 : PER_FILE);
      error = copyMapping(kernel, oldmm, newmm, vma, nodes);
      if (error < 0) break;
    }
    cpu.run(F.dup_mmap, own);
    masBulkDestroy(kernel, kernel.caches.mapleNode, nodes);
  }
  cpu.run(F.ldt_dup_context, 27);
  mutexLock(cpu, oldmm.address + 192);
  mutexUnlock(cpu);
  upWrite(cpu, newmm.address + 64);
  flushTlbMmRange(kernel, oldmm, 0, TASK_SIZE);
  upWrite(cpu, oldmm.address + 64);
  cpu.run(F.dup_userfaultfd_complete, 26);
  cpu.run(F.uprobe_end_dup_mmap, 10);
  return error;
}

/** What dup_mm copies with the structure itself. */
function copyFields(oldmm: MmStruct, newmm: MmStruct): void {
  newmm.mmapBase = oldmm.mmapBase;
  newmm.startCode = oldmm.startCode;
  newmm.endCode = oldmm.endCode;
  newmm.startData = oldmm.startData;
  newmm.endData = oldmm.endData;
  newmm.startBrk = oldmm.startBrk;
  newmm.brk = oldmm.brk;
  newmm.startStack = oldmm.startStack;
  newmm.argStart = oldmm.argStart;
  newmm.argEnd = oldmm.argEnd;
  newmm.envStart = oldmm.envStart;
  newmm.envEnd = oldmm.envEnd;
  newmm.vdso = oldmm.vdso;
  newmm.exeFile = oldmm.exeFile;
}

/** One mapping: itself, its anon_vma, its place in the tree, its pages. */
function copyMapping(
  kernel: Kernel,
  oldmm: MmStruct,
  newmm: MmStruct,
  vma: Vma,
  nodes: number[],
): number {
  const { cpu, caches } = kernel;
  if ((vma.flags & Vm.DONTCOPY) !== 0) {
    cpu.run(F.vm_stat_account, 15);
    return 0;
  }
  if ((vma.flags & Vm.ACCOUNT) !== 0 && !vmEnoughMemory(kernel, newmm, sizePages(vma))) {
    return -Errno.ENOMEM;
  }
  cpu.run(F.vm_area_dup, 31);
  const address = caches.vma.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  cpu.run(F.vma_dup_policy, 10);
  cpu.run(F.dup_userfaultfd, 27);
  const copy: Vma = {
    ...vma,
    address,
    flags: vma.flags & ~LOCK_FLAGS,
    anonVma: null,
    anonChains: [],
  };
  const wiped = (vma.flags & Vm.WIPEONFORK) !== 0;
  if (!wiped && !anonVmaFork(kernel, copy, vma)) {
    caches.vma.free(kernel, address);
    return -Errno.ENOMEM;
  }
  if (vma.file !== null) {
    vma.file.mappings++;
    downWrite(cpu, vma.address);
    cpu.run(F.vma_interval_tree_insert_after, 24);
    cpu.run(F.__rb_insert_augmented, 23);
    upWrite(cpu, vma.address);
  }
  newmm.vmas.insert(copy);
  vmStatAccount(newmm, copy.flags, sizePages(vma));
  masStore(kernel, newmm.vmas, copy.start, nodes);
  cpu.run(F.mas_is_err, 9);
  if (wiped) return 0;
  return copyPageRange(kernel, oldmm, newmm, vma) ? 0 : -Errno.ENOMEM;
}

const sizePages = ({ start, end }: Vma): number => (end - start) / PAGE_BYTES;
