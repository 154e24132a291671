/** Ours, not Linux's: untimed views of guest physical memory, by physical address. */
import type { Platform } from './platform.ts';

export const PAGE_BYTES = 4096;
export const PAGE_SHIFT = 12;

export class PhysicalMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  private readonly view: DataView;

  constructor(private readonly platform: Platform) {
    const { buffer, guestBase, guestBytes } = platform;
    this.bytes = new Uint8Array(buffer, guestBase, guestBytes);
    this.words = new Uint32Array(buffer, guestBase, guestBytes >> 2);
    this.view = new DataView(buffer, guestBase, guestBytes);
  }

  get pages(): number {
    return this.bytes.length / PAGE_BYTES;
  }

  getBigUint64(physical: number): bigint {
    return this.view.getBigUint64(physical, true);
  }

  setBigUint64(physical: number, value: bigint): void {
    this.view.setBigUint64(physical, value, true);
  }

  /** Stores an integer of magnitude at most 2^53 as 64 bits. */
  setWide(physical: number, value: number): void {
    this.view.setUint32(physical, value >>> 0, true);
    this.view.setInt32(physical + 4, Math.floor(value / 2 ** 32), true);
  }

  zeroPage(physical: number): void {
    this.bytes.fill(0, physical, physical + PAGE_BYTES);
  }

  /** To be called after a write to a page that user code may execute. */
  written(physical: number): void {
    this.platform.codeMayHaveChanged(physical >>> PAGE_SHIFT);
  }
}
