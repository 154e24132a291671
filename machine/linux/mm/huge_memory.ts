/** Transparent huge pages, after Linux 6.1 mm/huge_memory.c. */
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';

/** __split_huge_pmd at `address`: true when it is mapped by small pages, or not at all. */
export function splitPmdAt(_kernel: Kernel, _mm: MmStruct, _address: number): boolean {
  return true;
}
