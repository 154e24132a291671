/** /proc/PID/maps, after Linux 6.1 fs/proc/task_mmu.c. */
import { type MmStruct, Vm, type Vma } from '../../include/linux/mm_types.ts';
import type { Kernel } from '../../init/kernel.ts';
import { walkQuietly } from '../namei.ts';

const PAGE_BYTES = 4096;
/** Column at which the name begins. */
const NAME_COLUMN = 73;

function permissions({ flags }: Vma): string {
  return [
    (flags & Vm.READ) !== 0 ? 'r' : '-',
    (flags & Vm.WRITE) !== 0 ? 'w' : '-',
    (flags & Vm.EXEC) !== 0 ? 'x' : '-',
    (flags & Vm.SHARED) !== 0 ? 's' : 'p',
  ].join('');
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

export function mapsText(kernel: Kernel, mm: MmStruct): string {
  return mm.vmas.list
    .map((vma) => {
      const file = vma.file === null ? null : fileOf(kernel, vma.file.path);
      const device = file === null ? '00:00' : `00:${hex(file.device, 2)}`;
      const offset = vma.file === null ? 0 : vma.pgoff * PAGE_BYTES;
      const place = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${permissions(vma)} ${hex(offset, 8)} ${device} ${file?.inode ?? 0}`;
      const name = vma.file?.path ?? vma.special?.name ?? vma.name;
      return name === '' ? `${place} \n` : `${`${place} `.padEnd(NAME_COLUMN)}${name}\n`;
    })
    .join('');
}

function fileOf(kernel: Kernel, path: string): { device: number; inode: number } {
  const walked = walkQuietly(kernel, kernel.root, path);
  const inode = typeof walked === 'number' ? undefined : walked.dentry?.inode;
  return { device: inode?.superBlock.device ?? 0, inode: inode?.number ?? 0 };
}
