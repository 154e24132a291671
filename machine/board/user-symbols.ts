/**
 * Names for user addresses: the symbols of the program where it was loaded, and of the vDSO. Code
 * without a symbol is booked to the module's `[unknown]`.
 */
import type { ElfFile, ElfSymbol } from '../core/elf/elf-file.ts';
import { SymbolType } from '../core/elf/format.ts';
import type { CodeSymbol, SymbolTable } from '../core/ledger/symbols.ts';

const UNKNOWN = '[unknown]';

/** A loaded module: its range of addresses and its functions. */
export interface LoadedModule {
  readonly name: string;
  readonly begin: bigint;
  readonly end: bigint;
  readonly functions: readonly Omit<CodeSymbol, 'module'>[];
}

/** The functions of an executable whose addresses are `bias` above those in the file. */
export function functionsOf(file: ElfFile, bias: bigint): Omit<CodeSymbol, 'module'>[] {
  const isCode = ({ type, section, name }: ElfSymbol): boolean =>
    (type === SymbolType.FUNC || type === SymbolType.NOTYPE) && section !== 0 && name !== '';
  return file.symbols
    .filter(isCode)
    .map(({ name, address, size }) => ({ name, address: address + bias, size }));
}

/** Resolves addresses to indices of the run's symbol table. */
export class UserSymbols {
  private readonly modules: { readonly module: LoadedModule; readonly sorted: CodeSymbol[] }[];
  private readonly table: SymbolTable;

  constructor(table: SymbolTable, modules: readonly LoadedModule[]) {
    this.table = table;
    this.modules = modules.map((module) => ({ module, sorted: sortFunctions(module) }));
  }

  resolve(address: bigint): number {
    const found = this.modules.find(
      ({ module }) => address >= module.begin && address < module.end,
    );
    if (found === undefined) {
      return this.table.intern({ name: UNKNOWN, module: UNKNOWN, address: 0n, size: 0 });
    }
    const symbol = containing(found.sorted, address);
    if (symbol !== undefined) return this.table.intern(symbol);
    const { name, begin } = found.module;
    return this.table.intern({ name: UNKNOWN, module: name, address: begin, size: 0 });
  }

  /** `symbol+0x12`, for messages. */
  describe(address: bigint): string {
    const { name, address: begin } = this.table.at(this.resolve(address));
    return name === UNKNOWN ? name : `${name}+0x${(address - begin).toString(16)}`;
  }
}

/** By address; of several names for one address the largest, then the first in the alphabet, is kept. */
function sortFunctions({ functions, name: module }: LoadedModule): CodeSymbol[] {
  const sorted = functions
    .map((symbol) => ({ ...symbol, module }))
    .sort((a, b) => {
      if (a.address !== b.address) return a.address < b.address ? -1 : 1;
      return b.size - a.size || (a.name < b.name ? -1 : 1);
    });
  return sorted.filter((symbol, i) => i === 0 || symbol.address !== sorted[i - 1].address);
}

/** The last function that begins at or before `address` and does not end before it. */
function containing(sorted: readonly CodeSymbol[], address: bigint): CodeSymbol | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle].address <= address) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return undefined;
  const symbol = sorted[low - 1];
  const isInside = symbol.size === 0 || address < symbol.address + BigInt(symbol.size);
  return isInside ? symbol : undefined;
}
