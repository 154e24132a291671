/**
 * The memory model once more, written plainly from docs/memory-model.md for the tests: no filters,
 * no packed tags, no hints, no directory. Slow and obvious; it shares the page tables (guest memory)
 * with the model under test through its own copy of them.
 */
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import {
  pageOf,
  ReferencePaging,
  sameKey,
  scattered,
  type Translation,
} from './reference-paging.ts';

export type Cell = 'FRONTEND' | 'L2' | 'LLC' | 'DRAM' | 'DTLB' | 'PAGE_WALK' | 'COHERENCE';

interface Line {
  line: number;
  dirty: boolean;
}

/** Replacement is by insertion order (FIFO) or by last use (LRU). */
class ReferenceCache {
  private readonly fifo: boolean;
  private readonly sets: number;
  private readonly ways: number;
  /** FIFO: fixed ways, replaced in turn. LRU: latest used first. */
  private readonly rows: (Line | null)[][];
  private readonly turn: number[];
  private readonly place: (line: number) => number;

  constructor(bytes: number, ways: number, fifo: boolean, place = (line: number) => line) {
    this.place = place;
    this.fifo = fifo;
    this.ways = ways;
    this.sets = bytes / 64 / ways;
    this.rows = Array.from({ length: this.sets }, () =>
      fifo ? new Array<Line | null>(ways).fill(null) : [],
    );
    this.turn = new Array<number>(this.sets).fill(0);
  }

  private row(line: number): (Line | null)[] {
    return this.rows[this.place(line) % this.sets];
  }

  peek(line: number): Line | undefined {
    return this.row(line).find((l) => l?.line === line) ?? undefined;
  }

  use(line: number): Line | undefined {
    const found = this.peek(line);
    if (found !== undefined && !this.fifo) {
      const row = this.row(line);
      row.splice(row.indexOf(found), 1);
      row.unshift(found);
    }
    return found;
  }

  /** Returns the victim. */
  insert(line: number, dirty: boolean): Line | undefined {
    const row = this.row(line);
    if (this.fifo) {
      const set = this.place(line) % this.sets;
      const way = this.turn[set];
      this.turn[set] = (way + 1) % this.ways;
      const victim = row[way];
      row[way] = { line, dirty };
      return victim ?? undefined;
    }
    row.unshift({ line, dirty });
    return row.length > this.ways ? (row.pop() ?? undefined) : undefined;
  }

  remove(line: number): Line | undefined {
    const found = this.peek(line);
    if (found === undefined) return undefined;
    const row = this.row(line);
    if (this.fifo) row[row.indexOf(found)] = null;
    else row.splice(row.indexOf(found), 1);
    return found;
  }
}

class ReferenceTlb {
  private readonly fifo: boolean;
  private readonly ways: number;
  private readonly sets: number;
  private readonly rows: (Translation | null)[][];
  private readonly turn: number[];

  constructor(entries: number, ways: number, fifo: boolean) {
    this.fifo = fifo;
    this.ways = ways;
    this.sets = entries / ways;
    this.rows = Array.from({ length: this.sets }, () =>
      fifo ? new Array<Translation | null>(ways).fill(null) : [],
    );
    this.turn = new Array<number>(this.sets).fill(0);
  }

  private setOf(vpn: bigint, size: number): number {
    return Number((vpn >> BigInt(9 * size)) & BigInt(this.sets - 1));
  }

  find(va: bigint, pcid: number): Translation | undefined {
    for (const size of [0, 1, 2]) {
      const vpn = pageOf(va, size);
      const row = this.rows[this.setOf(vpn, size)];
      for (const space of [pcid, 'global'] as const) {
        const hit = row.find((t) => t?.vpn === vpn && t.size === size && t.pcid === space);
        if (!hit) continue;
        if (!this.fifo) {
          row.splice(row.indexOf(hit), 1);
          row.unshift(hit);
        }
        return hit;
      }
    }
    return undefined;
  }

  insert(t: Translation): void {
    const set = this.setOf(t.vpn, t.size);
    const row = this.rows[set];
    if (this.fifo) {
      row[this.turn[set]] = t;
      this.turn[set] = (this.turn[set] + 1) % this.ways;
      return;
    }
    const same = row.findIndex((o) => o !== null && sameKey(o, t));
    if (same >= 0) row.splice(same, 1);
    row.unshift(t);
    if (row.length > this.ways) row.pop();
  }

  renew(old: Translation, t: Translation): void {
    const row = this.rows[this.setOf(old.vpn, old.size)];
    row[row.indexOf(old)] = sameKey(old, t) ? t : null;
    if (!sameKey(old, t)) this.insert(t);
  }

  dropWhere(condition: (t: Translation) => boolean): void {
    for (const row of this.rows) {
      for (let i = row.length - 1; i >= 0; i--) {
        const t = row[i];
        if (t === null || !condition(t)) continue;
        if (this.fifo) row[i] = null;
        else row.splice(i, 1);
      }
    }
  }
}

export interface Need {
  readonly write: boolean;
  readonly user: boolean;
  readonly execute: boolean;
}

export interface Outcome {
  /** Physical address of the first byte. */
  physical: number;
  ticks: number;
  cells: Partial<Record<Cell, number>>;
  fault?: { vector: 13 } | { vector: 14; address: bigint; code: number };
}

class ReferenceCpu {
  readonly l1i: ReferenceCache;
  readonly l1d: ReferenceCache;
  readonly l2: ReferenceCache;
  readonly itlb: ReferenceTlb;
  readonly dtlb: ReferenceTlb;
  readonly stlb: ReferenceTlb;
  readonly paging: ReferencePaging;
  cr3 = 0;
  pcid = 0;

  constructor(g: MemoryGeometry, guestBytes: number) {
    this.paging = new ReferencePaging(g, guestBytes);
    this.l1i = new ReferenceCache(g.l1i.bytes, g.l1i.ways, true);
    this.l1d = new ReferenceCache(g.l1d.bytes, g.l1d.ways, true);
    this.l2 = new ReferenceCache(g.l2.bytes, g.l2.ways, false, g.nested && scattered);
    this.itlb = new ReferenceTlb(g.itlb.entries, g.itlb.ways, true);
    this.dtlb = new ReferenceTlb(g.dtlb.entries, g.dtlb.ways, true);
    this.stlb = new ReferenceTlb(g.stlb.entries, g.stlb.ways, false);
  }

  get caches(): ReferenceCache[] {
    return [this.l1i, this.l1d, this.l2];
  }
}

export class ReferenceModel {
  readonly cpus: ReferenceCpu[];
  /** Page table entries by physical address; all the model ever reads. */
  readonly memory = new Map<number, bigint>();
  private readonly llc: ReferenceCache;
  private readonly g: MemoryGeometry;
  private readonly guestBytes: number;
  private out: Outcome = { physical: 0, ticks: 0, cells: {} };
  private forced: Cell | null = null;
  walks = 0;
  dramReads = 0;

  constructor(g: MemoryGeometry, cpus: number, guestBytes: number) {
    this.g = g;
    this.guestBytes = guestBytes;
    this.cpus = Array.from({ length: cpus }, () => new ReferenceCpu(g, guestBytes));
    this.llc = new ReferenceCache(g.llc.bytes, g.llc.ways, false, g.nested && scattered);
  }

  private post(cell: Cell, ticks: number): void {
    const to = this.forced ?? cell;
    this.out.cells[to] = (this.out.cells[to] ?? 0) + ticks;
    this.out.ticks += ticks;
  }

  // Caches -------------------------------------------------------------------------------------

  private writeBackToLlc(line: number): void {
    const known = this.llc.use(line);
    if (known) known.dirty = true;
    else this.llc.insert(line, true);
  }

  private writeBackToL2(cpu: ReferenceCpu, line: number): void {
    const known = cpu.l2.use(line);
    if (known) {
      known.dirty = true;
      return;
    }
    const victim = cpu.l2.insert(line, true);
    if (victim?.dirty) this.writeBackToLlc(victim.line);
  }

  /** What the others hold: takes it away (write) or makes it clean (read). */
  private snoop(cpu: ReferenceCpu, line: number, write: boolean): 'absent' | 'clean' | 'dirty' {
    let copies = 0;
    let dirty = 0;
    // The host's tables are read by all and written by none.
    if (line >= this.guestBytes / 64) return 'absent';
    for (const other of this.cpus) {
      if (other === cpu) continue;
      let dirtyHere = false;
      for (const cache of other.caches) {
        const copy = write ? cache.remove(line) : cache.peek(line);
        if (copy === undefined) continue;
        copies++;
        dirtyHere ||= copy.dirty;
        copy.dirty = false;
      }
      if (dirtyHere) dirty++;
      if (dirtyHere && !write) this.writeBackToLlc(line);
    }
    if (dirty > 0) return 'dirty';
    return copies > 0 ? 'clean' : 'absent';
  }

  private transfer(): void {
    this.post('COHERENCE', this.g.transferTicks);
  }

  private claim(cpu: ReferenceCpu, line: number): void {
    if (this.snoop(cpu, line, true) !== 'absent') this.transfer();
  }

  private fetchLine(cpu: ReferenceCpu, line: number, write: boolean): void {
    const remote = this.snoop(cpu, line, write);
    if (remote === 'dirty' || (write && remote === 'clean')) {
      this.transfer();
      return;
    }
    if (this.llc.use(line)) {
      this.post('LLC', this.g.llc.ticks);
      return;
    }
    if (remote === 'clean') {
      this.transfer();
    } else {
      this.dramReads++;
      this.post('DRAM', this.g.dramTicks);
    }
    this.llc.insert(line, false);
  }

  private touch(cpu: ReferenceCpu, l1: ReferenceCache, line: number, write: boolean): void {
    const hit = l1.use(line);
    if (hit) {
      if (write && !hit.dirty) {
        this.claim(cpu, line);
        hit.dirty = true;
      }
      return;
    }
    if (cpu.l2.use(line)) {
      this.post('L2', this.g.l2.ticks);
      if (write) this.claim(cpu, line);
    } else {
      this.fetchLine(cpu, line, write);
      const victim = cpu.l2.insert(line, false);
      if (victim?.dirty) this.writeBackToLlc(victim.line);
    }
    const victim = l1.insert(line, write);
    if (victim?.dirty) this.writeBackToL2(cpu, victim.line);
  }

  // Translation --------------------------------------------------------------------------------

  private fault(address: bigint, need: Need, code: number): null {
    const bits = (need.write ? 2 : 0) | (need.user ? 4 : 0) | (need.execute ? 16 : 0);
    this.out.fault = { vector: 14, address, code: code | bits };
    return null;
  }

  private setBits(cpu: ReferenceCpu, at: number, bits: bigint): void {
    const entry = this.memory.get(at) ?? 0n;
    if ((entry & bits) === bits) return;
    this.touch(cpu, cpu.l1d, at >> 6, true);
    this.memory.set(at, entry | bits);
  }

  private walk(cpu: ReferenceCpu, va: bigint, need: Need): Translation | null {
    this.walks++;
    this.post('PAGE_WALK', this.g.walkTicks);
    const { paging, pcid } = cpu;
    const top = { level: 3, table: cpu.cr3, writable: true, user: true, noExecute: false };
    let { level, table, writable, user, noExecute } = paging.start(va, pcid) ?? top;
    for (; ; level--) {
      this.hostFrame(cpu, table);
      const index = Number((va >> BigInt(12 + 9 * level)) & 511n);
      const at = table + index * 8;
      if (at >= this.guestBytes) return this.fault(va, need, 9);
      this.touch(cpu, cpu.l1d, at >> 6, false);
      const entry = this.memory.get(at) ?? 0n;
      if ((entry & 1n) === 0n) return this.fault(va, need, 0);
      writable &&= (entry & 2n) !== 0n;
      user &&= (entry & 4n) !== 0n;
      noExecute ||= entry >> 63n !== 0n;
      const frame = Number(entry & 0x000ffffffffff000n);
      if (level > 0 && (entry & 0x80n) === 0n) {
        this.setBits(cpu, at, 0x20n);
        table = frame;
        paging.keep(va, level, pcid, { level: level - 1, table, writable, user, noExecute });
        continue;
      }
      const bytes = 4096 * 512 ** level;
      const base = Math.floor(frame / bytes) * bytes;
      if (level === 3 || base + bytes > this.guestBytes) return this.fault(va, need, 9);
      if ((need.write && !writable) || (need.user && !user) || (need.execute && noExecute)) {
        return this.fault(va, need, 1);
      }
      this.setBits(cpu, at, need.write ? 0x60n : 0x20n);
      // The host's pages are small: a piece of a large guest page is all that can be translated.
      const size = paging.nested ? 0 : level;
      const piece = size < level;
      const at4K = base + Number(va & BigInt(bytes - 1) & ~0xfffn);
      if (paging.nested) this.hostFrame(cpu, at4K);
      return {
        vpn: pageOf(va, size),
        size,
        pcid: (entry & 0x100n) !== 0n ? 'global' : cpu.pcid,
        frame: piece ? at4K : base,
        piece,
        writable,
        user,
        noExecute,
        dirty: need.write || (entry & 0x40n) !== 0n,
      };
    }
  }

  private hostFrame(cpu: ReferenceCpu, physical: number): void {
    for (const line of cpu.paging.hostLines(physical)) this.touch(cpu, cpu.l1d, line, false);
  }

  private translate(
    cpu: ReferenceCpu,
    tlb: ReferenceTlb,
    va: bigint,
    need: Need,
  ): Translation | null {
    const allows = (t: Translation): boolean =>
      (!need.user || t.user) &&
      (!need.write || (t.writable && t.dirty)) &&
      (!need.execute || !t.noExecute);
    const first = tlb.find(va, cpu.pcid);
    if (first !== undefined && allows(first)) return first;
    if (first === undefined) {
      const second = cpu.stlb.find(va, cpu.pcid);
      if (second !== undefined) {
        this.post('DTLB', this.g.stlb.ticks);
        if (allows(second)) {
          tlb.insert(second);
          return second;
        }
      }
    }
    const outer = this.forced;
    this.forced ??= 'PAGE_WALK';
    const walked = this.walk(cpu, va, need);
    this.forced = outer;
    if (walked === null) {
      this.invalidate(cpu, va, cpu.pcid);
      return null;
    }
    cpu.stlb.insert(walked);
    if (first === undefined) tlb.insert(walked);
    else tlb.renew(first, walked);
    return walked;
  }

  private physical(t: Translation, va: bigint): number {
    return t.frame + Number(va & BigInt(4096 * 512 ** t.size - 1));
  }

  private invalidate(cpu: ReferenceCpu, va: bigint, pcid: number): void {
    cpu.paging.dropTables();
    const covers = (t: Translation): boolean =>
      t.vpn === pageOf(va, t.size) || (t.piece && t.vpn >> 9n === pageOf(va, 1) >> 9n);
    for (const tlb of [cpu.itlb, cpu.dtlb, cpu.stlb]) {
      tlb.dropWhere((t) => covers(t) && (t.pcid === 'global' || t.pcid === pcid));
    }
  }

  // Accesses -----------------------------------------------------------------------------------

  private begin(va: bigint, size: number): boolean {
    this.out = { physical: 0, ticks: 0, cells: {} };
    this.forced = null;
    const canonical = (a: bigint): boolean => BigInt.asIntN(48, a) === BigInt.asIntN(64, a);
    if (canonical(va) && canonical(va + BigInt(size - 1))) return true;
    this.out.fault = { vector: 13 };
    return false;
  }

  data(number: number, va: bigint, size: number, write: boolean, user: boolean): Outcome {
    const cpu = this.cpus[number];
    if (!this.begin(va, size)) return this.out;
    const need = { write, user, execute: false };
    const first = this.translate(cpu, cpu.dtlb, va, need);
    if (first === null) return this.out;
    const last = va + BigInt(size - 1);
    const lines = [this.physical(first, va) >> 6];
    if (last >> 12n !== va >> 12n) {
      const second = this.translate(cpu, cpu.dtlb, (last >> 12n) << 12n, need);
      if (second === null) return this.out;
      lines.push(this.physical(second, (last >> 12n) << 12n) >> 6);
    } else if (last >> 6n !== va >> 6n) {
      lines.push(lines[0] + 1);
    }
    for (const line of lines) this.touch(cpu, cpu.l1d, line, write);
    this.out.physical = this.physical(first, va);
    return this.out;
  }

  fetch(number: number, va: bigint, user: boolean): Outcome {
    const cpu = this.cpus[number];
    if (!this.begin(va, 1)) return this.out;
    this.forced = 'FRONTEND';
    const t = this.translate(cpu, cpu.itlb, va, { write: false, user, execute: true });
    if (t === null) return this.out;
    this.out.physical = this.physical(t, va);
    this.touch(cpu, cpu.l1i, this.out.physical >> 6, false);
    return this.out;
  }

  // Control ------------------------------------------------------------------------------------

  setAddressSpace(number: number, cr3: number, pcid: number, flush: boolean): void {
    const cpu = this.cpus[number];
    if (flush) this.flush(number, (t) => t.pcid === pcid);
    cpu.cr3 = cr3;
    cpu.pcid = pcid;
  }

  invalidatePage(number: number, va: bigint, pcid: number): void {
    this.invalidate(this.cpus[number], va, pcid);
  }

  flush(number: number, condition: (t: { pcid: number | 'global' }) => boolean): void {
    const cpu = this.cpus[number];
    cpu.paging.dropTables();
    for (const tlb of [cpu.itlb, cpu.dtlb, cpu.stlb]) tlb.dropWhere(condition);
  }
}
