/** madvise, after Linux 6.1 mm/madvise.c: DONTNEED and FREE act, other advice is only checked. */
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Advice } from '../include/uapi/asm-generic/mman.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, upRead } from '../kernel/locking/rwsem.ts';
import { masPrev, masWalk } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { zapPageRange } from './munmap.ts';

/** Advice that is valid and changes nothing that a program can see, so nothing is done. */
const IGNORED: readonly number[] = [
  Advice.NORMAL,
  Advice.RANDOM,
  Advice.SEQUENTIAL,
  Advice.WILLNEED,
  Advice.HUGEPAGE,
  Advice.NOHUGEPAGE,
  10, // DONTFORK
  11, // DOFORK
  12, // MERGEABLE
  13, // UNMERGEABLE
  16, // DONTDUMP
  17, // DODUMP
  18, // WIPEONFORK
  19, // KEEPONFORK
  20, // COLD
  21, // PAGEOUT
];

export function doMadvise(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  length: number,
  advice: number,
): number {
  const { cpu } = kernel;
  cpu.run(F.do_madvise, 158);
  cpu.stack(192, 1);
  const acts = advice === Advice.DONTNEED || advice === Advice.FREE;
  if (!acts && !IGNORED.includes(advice)) return -Errno.EINVAL;
  if (start % PAGE_BYTES !== 0) return -Errno.EINVAL;
  const end = start + pageAlign(length);
  if (end < start || end > TASK_SIZE) return -Errno.EINVAL;
  if (end === start) return 0;
  downRead(cpu, mm.address + 64);
  cpu.run(F.blk_start_plug, 15);
  cpu.run(F.find_vma_prev, 33);
  masWalk(cpu, mm.vmas, start);
  masPrev(cpu);
  let result = 0;
  let address = start;
  while (address < end) {
    const vma = mm.vmas.find(address);
    if (vma === undefined || vma.start >= end) {
      result = -Errno.ENOMEM;
      break;
    }
    if (vma.start > address) result = -Errno.ENOMEM;
    const from = Math.max(address, vma.start);
    const to = Math.min(end, vma.end);
    if (acts) {
      cpu.run(F.madvise_dontneed_free_valid_vma, 11);
      cpu.run(F.userfaultfd_remove, 30);
      zapPageRange(kernel, mm, from, to);
    }
    address = to;
  }
  cpu.run(F.blk_finish_plug, 10);
  cpu.run(F.__blk_flush_plug, 34);
  cpu.run(F.blk_mq_flush_plug_list, 4);
  upRead(cpu, mm.address + 64);
  return result;
}
