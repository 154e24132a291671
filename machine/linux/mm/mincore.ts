/** Which pages are in memory, after Linux 6.1 mm/mincore.c. */
import { findPte, Pte, readLow } from '../arch/x86/mm/pgtable.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import type { MmStruct, Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { downRead, upRead } from '../kernel/locking/rwsem.ts';
import { findVma } from '../lib/maple_tree.ts';
import { pageAlign } from './align.ts';
import { pageIndex } from './filemap.ts';
import { hugeEntry } from './huge_memory.ts';

/** Pages whose answers fit into the page that they are gathered in. */
const CHUNK_PAGES = 4096;

export function sysMincore(kernel: Kernel, args: SyscallArguments): number {
  const [start, length, vector] = [args.unsigned(0), args.unsigned(1), args.unsigned(2)];
  const { cpu, current } = kernel;
  const { mm } = current;
  cpu.run(F.__x64_sys_mincore, 60);
  if (start % PAGE_BYTES !== 0 || mm === null) return -Errno.EINVAL;
  if (start + length > TASK_SIZE) return -Errno.ENOMEM;
  const pages = pageAlign(length) / PAGE_BYTES;
  if (vector + pages > TASK_SIZE) return -Errno.EFAULT;
  for (let done = 0; done < pages;) {
    const chunk = new Uint8Array(Math.min(CHUNK_PAGES, pages - done));
    downRead(cpu, mm.address + 64);
    const found = fillChunk(kernel, mm, start + done * PAGE_BYTES, chunk);
    upRead(cpu, mm.address + 64);
    if (found < 0) return found;
    if (copyToUser(kernel, vector + done, chunk.subarray(0, found)) < 0) return -Errno.EFAULT;
    done += found;
  }
  return 0;
}

/** do_mincore: answers for one mapping from `start` on. Pages answered, or -ENOMEM in a gap. */
function fillChunk(kernel: Kernel, mm: MmStruct, start: number, chunk: Uint8Array): number {
  const vma = findVma(kernel.cpu, mm.vmas, start);
  if (vma === undefined || vma.start > start) return -Errno.ENOMEM;
  const count = Math.min(chunk.length, (vma.end - start) / PAGE_BYTES);
  kernel.cpu.run(F.mincore_pte_range, 60 + 8 * count);
  for (let i = 0; i < count; i++) chunk[i] = isResident(kernel, mm, vma, start + i * PAGE_BYTES);
  return count;
}

function isResident({ memory }: Kernel, mm: MmStruct, vma: Vma, address: number): 0 | 1 {
  if (hugeEntry(memory, mm.pgd, address) >= 0) return 1;
  const entry = findPte(memory, mm.pgd, address);
  if (entry >= 0 && (readLow(memory, entry) & Pte.PRESENT) !== 0) return 1;
  const { file } = vma;
  if (file === null) return 0;
  const index = pageIndex(vma, address);
  // What has only bytes so far was read before the run began.
  return file.pages.has(index) || index * PAGE_BYTES < file.bytes.length ? 1 : 0;
}
