/**
 * Looks symbols up in a loaded image the way C libraries do: from PT_DYNAMIC alone, through DT_HASH
 * or DT_GNU_HASH, checking the version. Shares no code with the writer.
 */
export const NAMES = ['clock_gettime', 'gettimeofday', 'clock_getres', 'time', 'getcpu'].flatMap(
  (name) => [name, `__vdso_${name}`],
);

export interface FoundSymbol {
  readonly value: number;
  readonly size: number;
  readonly binding: number;
}

export class SymbolTables {
  private readonly view: DataView;
  private readonly dynamic = new Map<number, number>();

  constructor(private readonly image: Uint8Array) {
    this.view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    const headers = this.u64(32);
    const count = this.view.getUint16(56, true);
    for (let i = 0; i < count; i++) {
      const header = headers + i * 56;
      if (this.u32(header) !== 2) continue;
      for (let at = this.u64(header + 8); this.u64(at) !== 0; at += 16) {
        this.dynamic.set(this.u64(at), this.u64(at + 8));
      }
    }
  }

  get soname(): string {
    return this.string(this.table(14));
  }

  lookUpSysv(name: string, version: string): FoundSymbol | undefined {
    let hash = 0;
    for (const character of name) {
      hash = hash * 16 + character.charCodeAt(0);
      const top = Math.floor(hash / 2 ** 28) & 15;
      if (top !== 0) hash = ((hash % 2 ** 28) ^ (top << 4)) >>> 0;
    }
    const table = this.table(4);
    const buckets = this.u32(table);
    const chain = table + 8 + buckets * 4;
    let index = this.u32(table + 8 + (hash % buckets) * 4);
    for (; index !== 0; index = this.u32(chain + index * 4)) {
      const found = this.match(index, name, version);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  lookUpGnu(name: string, version: string): FoundSymbol | undefined {
    let hash = 5381n;
    for (const character of name) hash = (hash * 33n + BigInt(character.charCodeAt(0))) % 2n ** 32n;
    const table = this.table(0x6ffffef5);
    const [buckets, first, bloomWords, shift] = [0, 4, 8, 12].map((at) => this.u32(table + at));
    const word = this.view.getBigUint64(table + 16 + (Number(hash / 64n) % bloomWords) * 8, true);
    const bits = [hash % 64n, (hash >> BigInt(shift)) % 64n];
    if (bits.some((bit) => ((word >> bit) & 1n) === 0n)) return undefined;
    const bucketTable = table + 16 + bloomWords * 8;
    const chains = bucketTable + buckets * 4;
    let index = this.u32(bucketTable + Number(hash % BigInt(buckets)) * 4);
    if (index < first) return undefined;
    for (;;) {
      const entry = this.u32(chains + (index - first) * 4);
      if ((BigInt(entry) | 1n) === (hash | 1n)) {
        const found = this.match(index, name, version);
        if (found !== undefined) return found;
      }
      if ((entry & 1) === 1) return undefined;
      index++;
    }
  }

  private match(index: number, name: string, version: string): FoundSymbol | undefined {
    const symbol = this.table(6) + index * 24;
    if (this.string(this.u32(symbol)) !== name) return undefined;
    const wanted = this.view.getUint16(this.table(0x6ffffff0) + index * 2, true) & 0x7fff;
    if (this.versionName(wanted) !== version) return undefined;
    return {
      value: this.u64(symbol + 8),
      size: this.u64(symbol + 16),
      binding: this.view.getUint8(symbol + 4) >> 4,
    };
  }

  private versionName(index: number): string | undefined {
    let definition = this.table(0x6ffffffc);
    for (;;) {
      const isBase = (this.view.getUint16(definition + 2, true) & 1) === 1;
      if (!isBase && this.view.getUint16(definition + 4, true) === index) {
        return this.string(this.u32(definition + this.u32(definition + 12)));
      }
      const next = this.u32(definition + 16);
      if (next === 0) return undefined;
      definition += next;
    }
  }

  private table(tag: number): number {
    const address = this.dynamic.get(tag);
    if (address === undefined) throw new Error(`no dynamic entry ${tag.toString(16)}`);
    return address;
  }

  private string(offset: number): string {
    const begin = this.table(5) + offset;
    return new TextDecoder().decode(this.image.subarray(begin, this.image.indexOf(0, begin)));
  }

  private u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  private u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }
}
