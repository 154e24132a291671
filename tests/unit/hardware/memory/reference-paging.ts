/** Paging-structure caches and nested paging for the reference model, from docs/memory-model.md. */
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';

export interface Translation {
  /** First 4 KiB page number, sign-extended. */
  readonly vpn: bigint;
  readonly size: number;
  readonly pcid: number | 'global';
  readonly frame: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly noExecute: boolean;
  readonly dirty: boolean;
  /** A piece of a large page that the host maps in pieces. */
  readonly piece: boolean;
}

export function sameKey(a: Translation, b: Translation): boolean {
  return a.vpn === b.vpn && a.size === b.size && a.pcid === b.pcid;
}

export function pageOf(va: bigint, size: number): bigint {
  const bits = BigInt(12 + 9 * size);
  return BigInt.asUintN(36, ((va >> bits) << bits) >> 12n);
}

/** What a walk knows when it begins. */
export interface WalkStart {
  readonly level: number;
  readonly table: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly noExecute: boolean;
}

/** A direct-mapped table. */
class Direct<T> {
  private readonly slots = new Map<number, { key: string; value: T }>();
  private readonly entries: number;

  constructor(entries: number) {
    this.entries = entries;
  }

  get(number: number, key: string): T | undefined {
    const slot = this.slots.get(number % this.entries);
    return slot?.key === key ? slot.value : undefined;
  }

  set(number: number, key: string, value: T): void {
    this.slots.set(number % this.entries, { key, value });
  }

  clear(): void {
    this.slots.clear();
  }
}

/** Set number of a line where the host scatters frames: 32-bit arithmetic of a finalizer. */
export function scattered(line: number): number {
  let hash = Math.floor(line / 64) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return ((hash * 64) % 2 ** 32) + (line % 64);
}

export class ReferencePaging {
  private readonly tables: Direct<WalkStart>[];
  private readonly frames: Direct<true> | undefined;
  private readonly regions: Direct<true> | undefined;
  private readonly guestLines: number;

  constructor(g: MemoryGeometry, guestBytes: number) {
    const { walkCaches, nested } = g;
    this.tables =
      walkCaches === undefined
        ? []
        : [walkCaches.pde, walkCaches.pdpte, walkCaches.pml4e].map((n) => new Direct(n));
    if (nested !== undefined) {
      this.frames = new Direct(nested.tlbEntries);
      this.regions = new Direct(nested.pdeEntries);
    }
    this.guestLines = guestBytes / 64;
  }

  get nested(): boolean {
    return this.frames !== undefined;
  }

  private place(va: bigint, level: number, pcid: number): [number, string] {
    const region = Number(BigInt.asUintN(48, va) >> BigInt(12 + 9 * level));
    return [region, `${String(pcid)}:${String(region)}`];
  }

  /** The lowest table that is known for `va`. */
  start(va: bigint, pcid: number): WalkStart | undefined {
    for (let level = 1; level <= this.tables.length; level++) {
      const known = this.tables[level - 1].get(...this.place(va, level, pcid));
      if (known !== undefined) return known;
    }
    return undefined;
  }

  /** An entry of `level` leads to a table. */
  keep(va: bigint, level: number, pcid: number, start: WalkStart): void {
    if (level <= this.tables.length) {
      this.tables[level - 1].set(...this.place(va, level, pcid), start);
    }
  }

  dropTables(): void {
    for (const table of this.tables) table.clear();
  }

  /** Lines of the host's tables that are read to find the host frame of a guest-physical address. */
  hostLines(physical: number): number[] {
    if (this.frames === undefined || this.regions === undefined) return [];
    const frame = Math.floor(physical / 4096);
    if (this.frames.get(frame, String(frame))) return [];
    this.frames.set(frame, String(frame), true);
    const lines: number[] = [];
    const region = Math.floor(frame / 512);
    if (!this.regions.get(region, String(region))) {
      this.regions.set(region, String(region), true);
      const directory = this.guestLines + Math.floor(this.guestLines / 512) + 1;
      lines.push(directory + Math.floor(region / 8));
    }
    lines.push(this.guestLines + Math.floor(frame / 8));
    return lines;
  }
}
