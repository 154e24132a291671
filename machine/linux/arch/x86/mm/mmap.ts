/** Layout of a new address space and its randomisation, after Linux 6.1 arch/x86/mm/mmap.c. */
import type { Random } from '../../../../core/random.ts';
import { pageAlign } from '../../../mm/align.ts';
import { TASK_SIZE } from '../model/address-map.ts';

const PAGE_BYTES = 4096;
/** vm.mmap_rnd_bits */
const MMAP_RANDOM_BITS = 28;
/** STACK_RND_MASK, in pages. */
const STACK_RANDOM_PAGES = 2 ** 22;
const STACK_LIMIT_BYTES = 8 * 2 ** 20;
const STACK_GUARD_BYTES = 256 * PAGE_BYTES;
const GAP_BYTES_MIN = 128 * 2 ** 20;
const GAP_BYTES_MAX = Math.floor(TASK_SIZE / 6) * 5;
/** ELF_ET_DYN_BASE */
export const DYNAMIC_BASE = Math.floor(TASK_SIZE / 3) * 2;
/** How far the heap's start moves at random. */
const BRK_RANDOM_BYTES = 0x02000000;

export interface AddressLayout {
  readonly mmapBase: number;
  /** End of the stack mapping. */
  readonly stackEnd: number;
  /** arch_align_stack: a random offset below the strings, then 16-byte alignment. */
  readonly alignStack: (pointer: number) => number;
  /** arch_randomize_brk */
  readonly randomizeBrk: (brk: number) => number;
  /** The vDSO's address for a stack that starts at `startStack`, before the search for a free place. */
  readonly vdsoAddress: (startStack: number, bytes: number) => number;
  readonly randomizes: boolean;
}

/** `mode` is kernel.randomize_va_space: 0 nothing, 1 all but the heap, 2 all. */
export function addressLayout(mode: 0 | 1 | 2, random: Random): AddressLayout {
  const randomizes = mode > 0;
  const mmapRandom = randomizes ? random.below(2 ** MMAP_RANDOM_BITS) * PAGE_BYTES : 0;
  const stackRandom = randomizes ? random.below(STACK_RANDOM_PAGES) * PAGE_BYTES : 0;
  const stackMax = randomizes ? (STACK_RANDOM_PAGES - 1) * PAGE_BYTES : 0;
  const gap = Math.min(
    Math.max(STACK_LIMIT_BYTES + stackMax + STACK_GUARD_BYTES, GAP_BYTES_MIN),
    GAP_BYTES_MAX,
  );
  return {
    mmapBase: pageAlign(TASK_SIZE - gap - mmapRandom),
    stackEnd: pageAlign(TASK_SIZE - stackRandom),
    alignStack: (pointer) => {
      const moved = randomizes ? pointer - random.below(8192) : pointer;
      return moved - (moved % 16);
    },
    randomizeBrk: (brk) => {
      if (mode < 2) return brk;
      return brk + random.below(BRK_RANDOM_BYTES / PAGE_BYTES) * PAGE_BYTES;
    },
    vdsoAddress: (startStack, bytes) => {
      const start = pageAlign(startStack);
      const end = Math.min(Math.ceil(start / 2 ** 21) * 2 ** 21, TASK_SIZE) - bytes;
      return end > start
        ? start + random.below((end - start) / PAGE_BYTES + 1) * PAGE_BYTES
        : start;
    },
    randomizes,
  };
}
