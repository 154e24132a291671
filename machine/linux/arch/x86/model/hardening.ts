/**
 * Ours, not Linux's: what hardening words switch off, by function: init_on_alloc (mm/page_alloc.c,
 * mm/slab.h) and hardened_usercopy (mm/usercopy.c).
 */
import { F } from './generated/function-ids.ts';

export interface Hardening {
  /** init_on_alloc: pages and objects are zeroed though their users fill them. */
  readonly initOnAlloc: boolean;
  /** hardened_usercopy: copies are checked against the object that they touch. */
  readonly usercopy: boolean;
}

const UNLIMITED = 0xffff_ffff;
/**
 * __check_object_size up to its static branch: prologue, jump and return, read from the source; no
 * counted path has it off.
 */
const BYPASSED_INSTRUCTIONS = 5;
/** What __check_object_size calls. All but is_vmalloc_addr have no other caller in the model. */
const USERCOPY_CHECKS: readonly F[] = [
  F.check_stack_object,
  F.is_vmalloc_addr,
  F.__virt_addr_valid,
  F.__check_heap_object,
];

/** Instructions that a call of each function runs at most, by F; 0 for one that is never called. */
export function instructionLimits({ usercopy }: Hardening): Uint32Array {
  const limits = new Uint32Array(F.COUNT).fill(UNLIMITED);
  if (usercopy) return limits;
  limits[F.__check_object_size] = BYPASSED_INSTRUCTIONS;
  for (const fn of USERCOPY_CHECKS) limits[fn] = 0;
  return limits;
}
