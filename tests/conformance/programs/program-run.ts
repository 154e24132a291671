/** The contract between the conformance suite and whatever runs its programs. */

/** How the machine executes: interpreted, translated to WebAssembly before it runs, or when hot. */
export type Tier = 'interpreter' | 'translator' | 'auto';

export interface ProgramInput {
  readonly elf: Uint8Array;
  /** Path of the file inside the guest, as AT_EXECFN and /proc/self/exe show it. */
  readonly path: string;
  readonly argv: readonly string[];
  /** `NAME=value` entries, in order. */
  readonly env: readonly string[];
  /** The kernel's command line; empty when absent. */
  readonly kernel?: string;
  /** Name of a board. */
  readonly board: string;
  readonly seed: number;
  readonly tier: Tier;
  /** Whether the inline cache filter is installed; must change nothing but the host's speed. */
  readonly filter: boolean;
}

export interface ProgramResult {
  /** Bytes written to descriptors 1 and 2, one character (0 to 255) each. */
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status, or null when a signal ended the program. */
  readonly exit: number | null;
  /** `SIGSEGV` and the like, or null when the program left by itself. */
  readonly signal: string | null;
  /** Clock of the CPU at the end, in ticks of 1/64 core cycle. */
  readonly ticks: number;
  /** Retired user instructions; a rep string instruction is one each time it is begun. */
  readonly instructions: number;
  /** Retired times of each user instruction by its run-time address; absent means never. */
  readonly counts: ReadonlyMap<number, number>;
  /** Run-time address less link-time address of the main image: 0 for ET_EXEC. */
  readonly loadBias: number;
}

export type RunProgram = (input: ProgramInput) => ProgramResult | Promise<ProgramResult>;
