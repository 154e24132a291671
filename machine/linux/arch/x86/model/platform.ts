/**
 * Ours, not Linux's: what the kernel model needs from the machine under it. The board implements
 * it over machine/hardware; tests implement it over a plain buffer.
 */
import type {
  CodeSpaces,
  CpuState,
  ExecutionContext,
  KernelAccess,
  RecordAddress,
} from '../../../../hardware/processor.ts';

/** One CPU as the kernel drives it. */
export interface PlatformCpu {
  readonly state: CpuState;
  readonly access: KernelAccess;
  /**
   * `mov cr3`: translates through the table at physical address `root` under `pcid` from now on.
   * `keep` is the no-flush bit: entries tagged with `pcid` stay; otherwise those that are not
   * global are dropped. `use` says whose code the table is for; with one table for all it is 'both'.
   */
  loadCr3(root: number, pcid: number, keep: boolean, use: 'both' | 'kernel' | 'user'): void;
  /** Drops the entries of one page (`invlpg`, or `invpcid` for the address space `pcid`). */
  invalidatePage(low: number, high: number, pcid: number): void;
  /** Drops every entry of `pcid` that is not global. */
  invalidateSpace(pcid: number): void;
}

export interface Platform {
  /** The linear memory. Its buffer may be replaced only before the kernel starts. */
  readonly buffer: ArrayBufferLike;
  /** Offset of guest physical address 0 in the buffer, a multiple of 4096. */
  readonly guestBase: number;
  /** Bytes of guest physical memory, a multiple of 4096, below 2^32. */
  readonly guestBytes: number;
  readonly cpus: readonly PlatformCpu[];
  readonly context: ExecutionContext;
  /** An address space's number is the physical address of its mm_struct. */
  readonly code: CodeSpaces;
  /** Reserves `count` block records, zeroed, one after the other. */
  allocateRecords(count: number): RecordAddress;
  /** Books what user code has run since the last call, up to the clocks. */
  harvestUser(): void;
  /** User code of `tid` runs on `cpu` from now on. */
  setTask(cpu: number, tid: number): void;
  /** The kernel wrote into physical page `page` behind the processor's back. */
  codeMayHaveChanged(page: number): void;
}
