/** Ours, not Linux's (show_opcodes is the nearest): the code bytes at a fault, for the report. */
import { findPte, Pte, readLow } from '../arch/x86/mm/pgtable.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import type { Kernel } from '../init/kernel.ts';

/** The longest instruction. */
const CODE_BYTES = 15;

/** Up to 15 bytes at `address`, untimed; fewer where the mapping ends. */
export function userCode({ memory, current }: Kernel, address: number): Uint8Array {
  const bytes: number[] = [];
  const { mm } = current;
  if (mm === null) return new Uint8Array();
  for (let at = address; at < address + CODE_BYTES && at >= 0 && at < TASK_SIZE; at++) {
    const entry = findPte(memory, mm.pgd, at);
    const low = entry < 0 ? 0 : readLow(memory, entry);
    if ((low & Pte.PRESENT) === 0) break;
    bytes.push(memory.bytes[((low & Pte.FRAME) >>> 0) + (at % 4096)]);
  }
  return Uint8Array.from(bytes);
}
