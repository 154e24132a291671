/**
 * Ours, not Linux's: the kernel's text as the caches and the ledger see it. Functions lie one after
 * the other from Low.TEXT, 16-byte aligned, in the order of the table.
 */
import type { SymbolTable } from '../../../../core/ledger/symbols.ts';
import { Low } from './address-map.ts';
import { F } from './generated/function-ids.ts';
import { OWN_DATA_LINES } from './generated/function-data.ts';
import { FUNCTIONS } from './generated/function-table.ts';
import { LOCKED_PER_MILLE } from './generated/locked-instructions.ts';
import { isInlined } from './inlined-functions.ts';
import { INTERRUPT_FLAG, STATE_MOVES, USER_ACCESSES } from './slow-instructions.ts';

const LINE_BYTES = 64;
const ALIGN = 16;

let densities: ReadonlyMap<string, number> | undefined;

/** Conditional branches for each instruction of the function `name`; 0 for names outside the kernel. */
export function branchDensity(name: string): number {
  densities ??= new Map(
    FUNCTIONS.map(([each, , , instructions, branches]) => [each, branches / instructions]),
  );
  return densities.get(name) ?? 0;
}

/** A function of the modelled kernel, and the instructions that a usual call of it takes. */
export interface ModelledFunction {
  readonly name: string;
  readonly bytes: number;
  readonly instructions: number;
}

/** Every function that the kernel model can charge, in the order of the text. */
export function modelledFunctions(): readonly ModelledFunction[] {
  return FUNCTIONS.map(([name, bytes, , instructions]) => ({ name, bytes, instructions }));
}

export class KernelText {
  /** Low half of the line where each function starts. */
  readonly start = new Int32Array(F.COUNT);
  /** 1 for functions that return; 0 for those that end in a jump. */
  readonly returns = new Uint8Array(F.COUNT);
  /** 1 for functions whose return costs what the board says of a safe one. */
  readonly mispredicted = new Uint8Array(F.COUNT);
  /** Conditional branches for each instruction of a call's usual path. */
  readonly branches = new Float64Array(F.COUNT);
  /** Atomic instructions for each instruction of a call. */
  readonly atomics = new Float64Array(F.COUNT);
  /** Accesses to user memory, changes of the interrupt flag and moves of vector state, of a call. */
  readonly userAccesses = new Uint8Array(F.COUNT);
  readonly flagChanges = new Uint8Array(F.COUNT);
  readonly stateMoves = new Uint8Array(F.COUNT);
  /** Index of each function in the run's symbol table; -1 until it is first asked for. */
  private readonly interned = new Int32Array(F.COUNT).fill(-1);
  private readonly address = new Uint32Array(F.COUNT);
  private readonly linesMax = new Uint16Array(F.COUNT);
  /** Lines that 256 instructions touch. */
  private readonly density = new Uint16Array(F.COUNT);

  constructor(private readonly symbols: SymbolTable) {
    let address = Low.TEXT;
    let data = Low.FUNCTION_DATA;
    FUNCTIONS.forEach(([name, bytes, lines, instructions, branches, tail], fn) => {
      this.start[fn] = address & -LINE_BYTES;
      this.returns[fn] = tail === true ? 0 : 1;
      this.mispredicted[fn] = tail === true || isInlined(name) ? 0 : 1;
      const last = (address + bytes - 1) & -LINE_BYTES;
      this.linesMax[fn] = (last - this.start[fn]) / LINE_BYTES + 1;
      this.density[fn] = Math.round((256 * lines) / Math.max(1, instructions));
      this.branches[fn] = branches / Math.max(1, instructions);
      this.atomics[fn] = (LOCKED_PER_MILLE[name] ?? 0) / 1000;
      this.userAccesses[fn] = USER_ACCESSES.has(name) ? 1 : 0;
      this.flagChanges[fn] = INTERRUPT_FLAG[name] ?? 0;
      this.stateMoves[fn] = STATE_MOVES.has(name) ? 1 : 0;
      this.address[fn] = address;
      const own = OWN_DATA_LINES[name] ?? 0;
      this.dataStart[fn] = data | 0;
      this.dataLines[fn] = own;
      data += own * LINE_BYTES;
      address = (address + bytes + ALIGN - 1) & -ALIGN;
      address >>>= 0;
    });
  }

  /** Low half of the first of a function's own data lines in High.IMAGE, and how many they are. */
  readonly dataStart = new Int32Array(F.COUNT);
  readonly dataLines = new Uint8Array(F.COUNT);

  /** Index of `fn` in the run's symbol table, which holds the functions that ran. */
  symbolOf(fn: F): number {
    if (this.interned[fn] >= 0) return this.interned[fn];
    const [name, size] = FUNCTIONS[fn];
    const address = 0xffffffff00000000n + BigInt(this.address[fn]);
    this.interned[fn] = this.symbols.intern({ name, module: 'vmlinux', address, size });
    return this.interned[fn];
  }

  /** Low halves of the first line of the text and of the first one after it. */
  get range(): readonly [number, number] {
    const last = F.COUNT - 1;
    return [this.start[0], this.start[last] + this.linesMax[last] * LINE_BYTES];
  }

  /** Lines of text that `instructions` of one call of `fn` touch. */
  linesOf(fn: F, instructions: number): number {
    const lines = (instructions * this.density[fn] + 255) >> 8;
    const max = this.linesMax[fn];
    return lines < 1 ? 1 : lines > max ? max : lines;
  }
}
