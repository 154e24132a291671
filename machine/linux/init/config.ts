/** Ours, not Linux's: the kernel's configuration after every word has been read and resolved. */
import type { MemoryPolicy } from '../mm/vm-state.ts';
import type { SchedConfig } from './sched-parameters.ts';
import type { TimeConfig } from './time-parameters.ts';

export type SpectreV2 = 'off' | 'retpoline' | 'eibrs' | 'eibrs,retpoline';

export interface KernelConfig extends TimeConfig {
  readonly pti: boolean;
  readonly pcid: boolean;
  readonly spectreV2: SpectreV2;
  /** Return thunk of spec_rstack_overflow=safe-ret. */
  readonly srso: boolean;
  readonly randomizeVaSpace: 0 | 1 | 2;
  readonly sched: SchedConfig;
  /** The target runs under a filter that allows every system call. */
  readonly seccomp: boolean;
  /** Five-level page tables. */
  readonly la57: boolean;
  /** Bytes of memory that the kernel uses. */
  readonly memoryBytes: number;
  readonly memoryPolicy: MemoryPolicy;
  readonly maxCpus: number;
  /** Every word with its resolved value and where it came from, for the manifest. */
  readonly words: readonly ResolvedWord[];
}

export interface ResolvedWord {
  readonly word: string;
  readonly value: string;
  readonly from: 'command line' | 'default' | 'board';
}
