/**
 * Puts a run's symbols in an order that does not depend on when each was first met, which differs
 * between executors: by module, then address, then name.
 */
import type { CodeSymbol } from '../../machine/core/ledger/symbols.ts';

export interface SortedSymbols {
  readonly symbols: readonly CodeSymbol[];
  /** New position of the symbol that had number `id`. */
  position(id: number): number;
}

export function sortSymbols(symbols: readonly CodeSymbol[]): SortedSymbols {
  const order = [...symbols.keys()].sort((a, b) => compare(symbols[a], symbols[b]));
  const positions = new Uint32Array(symbols.length);
  order.forEach((id, position) => (positions[id] = position));
  return {
    symbols: order.flatMap((id) => symbols[id] ?? []),
    position: (id) => positions[id] ?? 0,
  };
}

function compare(a: CodeSymbol | undefined, b: CodeSymbol | undefined): number {
  if (a === undefined || b === undefined) return 0;
  if (a.module !== b.module) return a.module < b.module ? -1 : 1;
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
