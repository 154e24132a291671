/** Making files shorter, longer and sparse, after Linux 6.1 mm/truncate.c and mm/shmem.c. */
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { dropCachedRange } from './filemap.ts';
import { adoptBytes } from './shmem-pages.ts';

/** A hole where page `index` was. */
export function punchPage(kernel: Kernel, file: MappedFile, index: number): void {
  if (index * PAGE_BYTES < file.bytes.length) adoptBytes(kernel, file);
  dropCachedRange(kernel, file, index, index + 1);
}

/** shmem_truncate: the new size; what lies beyond is gone, the rest of the last page is zero. */
export function resizeFile(kernel: Kernel, file: MappedFile, size: number): void {
  if (size < file.size) {
    const kept = Math.ceil(size / PAGE_BYTES);
    file.bytes = file.bytes.subarray(0, size);
    dropCachedRange(kernel, file, kept, Infinity);
    const inPage = size % PAGE_BYTES;
    const last = inPage === 0 ? undefined : file.pages.get(kept - 1);
    if (last !== undefined) {
      const physical = last << PAGE_SHIFT;
      kernel.memory.bytes.fill(0, physical + inPage, physical + PAGE_BYTES);
    }
  }
  file.size = size;
}
