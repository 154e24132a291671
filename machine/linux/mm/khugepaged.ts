/** Collapsing small pages into huge ones, after Linux 6.1 mm/khugepaged.c. */
import type { MmStruct, Vma } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';

export function collapseRange(
  _kernel: Kernel,
  _mm: MmStruct,
  _vma: Vma,
  _start: number,
  _end: number,
): number {
  return 0;
}
