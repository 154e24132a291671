/**
 * What a run asks of the machine and what it gets back: the seam between the lab and the machine.
 */
import type { Ledger } from '../core/ledger/ledger.ts';
import type { SymbolTable } from '../core/ledger/symbols.ts';
import type { TraceSink } from '../core/trace/event-table.ts';
import type { Ticks } from '../core/units.ts';
import type { Board } from './board.ts';

/** Which executor runs user code; never visible in results, only in how long they take. */
export type Tier = 'interpreter' | 'translator' | 'auto';

/** The program that the kernel starts, as execve() would be given it. */
export interface Program {
  /** Path inside the guest's root file system. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly argv: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
}

/** A file of the guest's root file system, there from the start. */
export interface GuestFile {
  /** Absolute; directories above it are made. One that is there is replaced. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

export interface MachineOptions {
  /** Bytes of host memory that the machine may take; one that needs more is refused. */
  readonly hostBytesMax?: number;
  readonly board: Board;
  /** Kernel configuration in Linux's own words. */
  readonly commandLine: string;
  readonly seed: number;
  readonly program: Program;
  /** Files beside it. */
  readonly files?: readonly GuestFile[];
  /** Names of the phases that marker instructions delimit, in order; see workloads/lib. */
  readonly phases: readonly string[];
  readonly trace: TraceSink;
  /** Names of the tables to record. */
  readonly events: ReadonlySet<string>;
  readonly tier: Tier;
  /** The inline line filter; off costs time and changes nothing else. */
  readonly filter: boolean;
  /** For validation: told of every access of the kernel to its data, and of every marker. */
  readonly observer?: KernelObserver;
  /** Bytes that the guest wrote to file descriptor 1 or 2, as they come. */
  readonly onConsole: (fd: 1 | 2, bytes: Uint8Array) => void;
}

/** Watches the kernel model at work. */
export interface KernelObserver {
  /** The kernel read or wrote the line of this virtual address (32-bit halves). */
  readonly onData: (low: number, high: number) => void;
  /** A marker was executed; the ledger's window has been closed. */
  readonly onMarker: (marker: number) => void;
}

/** How the program ended. */
export interface ProgramExit {
  /** What a shell would report: the exit code, or 128 + signal. */
  readonly status: number;
  /** Set when a signal ended it. */
  readonly signal?: SignalReport;
}

export interface SignalReport {
  /** `SIGSEGV`, `SIGILL` ... */
  readonly name: string;
  readonly number: number;
  /** One line: what was done, at which address and symbol, with the bytes of the instruction. */
  readonly message: string;
}

export interface TaskRow {
  readonly tid: number;
  readonly tgid: number;
  readonly parent: number;
  readonly comm: string;
  readonly startTick: Ticks;
  /** Absent for a task that lived to the end of the run. */
  readonly exitTick?: Ticks;
}

/** Why a program was not started: what the user gave is wrong. */
export interface MachineRefusal {
  readonly kind: 'refusal';
  /** What is wrong: the kernel's command line, or the program's file. */
  readonly about: 'kernel' | 'program';
  readonly message: string;
  /** Empty when the message says it. */
  readonly remedy: string;
}

export interface MachineResult {
  readonly kind: 'result';
  readonly exit: ProgramExit;
  /** Final clock of each CPU. */
  readonly clocks: readonly Ticks[];
  /** Its windows are `startup`, the phases, `between` and `teardown`. Already closed and harvested. */
  readonly ledger: Ledger;
  readonly symbols: SymbolTable;
  readonly tasks: readonly TaskRow[];
  /** Retired instructions in user mode, and in the kernel by the model. */
  readonly userInstructions: number;
  readonly kernelInstructions: number;
  /** Every word of the kernel configuration with the value that took effect. */
  readonly configuration: Readonly<Record<string, string | number | boolean>>;
  /** Hardware event counts by perf-like name: L1-dcache-load-misses, dTLB-load-misses ... */
  readonly counters: Readonly<Record<string, number>>;
  /** What the kernel would have printed with KERN_WARNING: unimplemented system calls and the like. */
  readonly warnings: readonly string[];
  /** Run-time less link-time addresses of the program: 0 unless it is a static PIE. */
  readonly loadBias: bigint;
  /** How often the instruction at each user address was retired; computed when called. */
  readonly instructionCounts: () => ReadonlyMap<bigint, number>;
}
