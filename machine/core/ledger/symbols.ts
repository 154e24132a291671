/** The run's symbol table: every function that time can be booked to. */

export interface CodeSymbol {
  readonly name: string;
  /** `vmlinux`, `vdso`, or the path of the executable. */
  readonly module: string;
  readonly address: bigint;
  readonly size: number;
}

export class SymbolTable {
  private readonly list: CodeSymbol[] = [];
  private readonly byKey = new Map<string, number>();

  /** Index of the symbol, added on first use. */
  intern(symbol: CodeSymbol): number {
    const key = `${symbol.module}\0${symbol.name}\0${symbol.address.toString(16)}`;
    let id = this.byKey.get(key);
    if (id === undefined) {
      id = this.list.length;
      this.list.push(symbol);
      this.byKey.set(key, id);
    }
    return id;
  }

  at(id: number): CodeSymbol {
    return this.list[id];
  }

  get all(): readonly CodeSymbol[] {
    return this.list;
  }
}
