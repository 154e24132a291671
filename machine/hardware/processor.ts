/**
 * The processor as the kernel and the machine see it: something that runs in user mode until it
 * traps, and the same caches and TLBs for the kernel's own accesses.
 */
import type { Ticks } from '../core/units.ts';
import type { ExitReason } from './layout.ts';

/** Runs guest code on one CPU until it must return. */
export interface ExecutionContext {
  /**
   * Runs `cpu` in user mode until its clock passes `limit` or it traps. Architectural state and the
   * exit fields are in the CPU's block. `clock` is exact afterwards, partial blocks included.
   *
   * `others` is the earliest clock at which another CPU may act; absent when none does. What has to
   * happen in order among CPUs and would come later than that is not done yet: the run ends early
   * with ExitReason.BUDGET, and the CPU with the smallest clock must run next.
   */
  run(cpu: number, limit: Ticks, others?: Ticks): ExitReason;
}

/** Which code each CPU runs. A code space is an address space; its number is the caller's choice. */
export interface CodeSpaces {
  /** `cpu` runs code of `space` from now on. 0 is for CPUs that run no user code. */
  switchCodeSpace(cpu: number, space: number): void;
  /** `space` is gone, and its number may be used again. CPUs that are still in it go to space 0. */
  dropCodeSpace(space: number): void;
  /** Mappings in [begin, end) of `space`, page aligned, were removed or changed. */
  invalidateCode(space: number, begin: number, end: number): void;
}

/** Read access of kernel code to the state of one CPU. Register numbers are hardware numbers. */
export interface CpuState {
  readonly number: number;
  /** Address of the CPU block in linear memory. */
  readonly block: number;
  clock: Ticks;
  register(index: number): bigint;
  setRegister(index: number, value: bigint): void;
  rip: bigint;
  /** The complete rflags image. */
  rflags: bigint;
  fsBase: bigint;
  gsBase: bigint;
}

/** Where the stall ticks of an access are booked: the address of a block record. */
export type RecordAddress = number;

/** Timed accesses to memory through one CPU's TLBs and caches, as the kernel model makes them. */
export interface KernelAccess {
  /** Touches the line of kernel virtual address `low`/`high` (32-bit halves). Returns stall ticks. */
  read(low: number, high: number, record: RecordAddress): Ticks;
  write(low: number, high: number, record: RecordAddress): Ticks;
  fetch(low: number, high: number, record: RecordAddress): Ticks;
}
