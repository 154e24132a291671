/**
 * Expected retired counts per address: QEMU's, and for the addresses where QEMU and Linux on a real
 * processor disagree, or where the position of the stack matters, both. See oracle/README.md.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import { FIXTURES, loadBinary } from './fixtures.ts';
import { caseOf } from './programs.ts';
import { executableRanges, symbolOf } from './symbols.ts';

/** Retired times by link-time address. A rep string instruction counts once each time it begins. */
export type Counts = ReadonlyMap<number, number>;

/**
 * Why the count of an address is not the program's alone to decide: `auxv`, the auxiliary vector
 * and rseq, which QEMU gives less of; `vdso`, the C library reads the vDSO's symbols, which QEMU
 * does not have; `cpuid`, the guest processor reports other caches than QEMU's; `stack`, the path of the file moves strings and stack against 16-byte boundaries.
 */
export const VARYING_REASONS = ['auxv', 'vdso', 'cpuid', 'stack'] as const;
export type VaryingReason = (typeof VARYING_REASONS)[number];

/** What the two oracles say of such an address. */
export interface Varying {
  readonly reason: VaryingReason;
  readonly qemu: number;
  readonly native: number;
}

interface StoredCounts {
  /** Each address less the one before it. */
  readonly addressSteps: readonly number[];
  readonly counts: readonly number[];
  /** Address, QEMU's count, native count, index in VARYING_REASONS. */
  readonly varying: readonly (readonly [number, number, number, number])[];
}

/**
 * glibc functions whose path depends on what the vDSO holds and where it lies: names in its string
 * table begin at other alignments than in the kernel's own, its map sorts before or after the
 * program's. In a program that glibc hands a vDSO, any address of theirs may vary.
 */
const VDSO_DEPENDENT = new Set(['__strcmp_sse2', '_dl_find_object_from_map']);

export interface Difference {
  readonly symbol: string;
  readonly address: string;
  readonly expected: number;
  readonly actual: number;
  /** Set where the fixture lists the address as varying. */
  readonly reason: VaryingReason | undefined;
}

export interface VaryingReport {
  readonly addresses: number;
  readonly asQemu: number;
  readonly asNative: number;
  /** Addresses where the machine agrees with neither, counted by `reason: symbol`. */
  readonly neither: Readonly<Record<string, number>>;
}

export class ExpectedCounts {
  readonly qemu: Counts;
  readonly varying: ReadonlyMap<number, Varying>;
  readonly #elf: Uint8Array;
  readonly #readsVdso: boolean;

  constructor(elf: Uint8Array, qemu: Counts, varying: ReadonlyMap<number, Varying>) {
    this.#elf = elf;
    this.qemu = qemu;
    this.varying = varying;
    this.#readsVdso = [...varying].some(([address, { reason }]) => {
      return reason === 'vdso' && symbolOf(elf, address) === 'do_lookup_x';
    });
  }

  /** Whether the link-time address is code of the image, rather than of the vDSO or generated. */
  contains(address: number): boolean {
    return executableRanges(this.#elf).some(({ start, end }) => address >= start && address < end);
  }

  /**
   * Addresses whose count is not QEMU's but must be; empty when the machine is right. Without a
   * vDSO, as under QEMU, `auxv`, `cpuid` and `stack` remain as excuses.
   */
  differences(actual: Counts, machine: 'vDSO' | 'no vDSO' = 'vDSO'): Difference[] {
    return this.#unlike(actual).filter(({ symbol, reason }) => {
      if (machine === 'no vDSO') return reason === undefined || reason === 'vdso';
      return reason === undefined && !(this.#readsVdso && VDSO_DEPENDENT.has(symbol));
    });
  }

  #unlike(actual: Counts): Difference[] {
    const differences: Difference[] = [];
    const addresses = new Set([...this.qemu.keys(), ...actual.keys()]);
    for (const address of [...addresses].sort((a, b) => a - b)) {
      const expected = this.qemu.get(address) ?? 0;
      const count = actual.get(address) ?? 0;
      if (expected === count) continue;
      const symbol = symbolOf(this.#elf, address);
      const reason = this.varying.get(address)?.reason;
      differences.push({
        symbol,
        address: `0x${address.toString(16)}`,
        expected,
        actual: count,
        reason,
      });
    }
    return differences;
  }

  /** How the machine stands between the oracles at the varying addresses. */
  varyingReport(actual: Counts): VaryingReport {
    const neither: Record<string, number> = {};
    let asQemu = 0;
    let asNative = 0;
    for (const [address, { reason, qemu, native }] of this.varying) {
      const count = actual.get(address) ?? 0;
      if (count === qemu) asQemu++;
      if (count === native) asNative++;
      if (count === qemu || count === native) continue;
      const key = `${reason}: ${symbolOf(this.#elf, address)}`;
      neither[key] = (neither[key] ?? 0) + 1;
    }
    return { addresses: this.varying.size, asQemu, asNative, neither };
  }
}

export function countsFile(caseName: string): string {
  return join(FIXTURES, `${caseName.replace('/', '.')}.counts.json.gz`);
}

export function packCounts(qemu: Counts, varying: ReadonlyMap<number, Varying>): Uint8Array {
  const rows = [...qemu].sort(([a], [b]) => a - b);
  const stored: StoredCounts = {
    addressSteps: rows.map(([address], index) => address - (rows[index - 1]?.[0] ?? 0)),
    counts: rows.map(([, count]) => count),
    varying: [...varying]
      .sort(([a], [b]) => a - b)
      .map(([address, { reason, ...both }]) => {
        return [address, both.qemu, both.native, VARYING_REASONS.indexOf(reason)];
      }),
  };
  return gzipSync(JSON.stringify(stored), { level: 9 });
}

/** Expected counts of a case that is marked `counted`. */
export function loadCounts(caseName: string): ExpectedCounts {
  const text = gunzipSync(readFileSync(countsFile(caseName))).toString();
  const stored = JSON.parse(text) as StoredCounts;
  const qemu = new Map<number, number>();
  let address = 0;
  stored.addressSteps.forEach((step, index) => {
    address += step;
    qemu.set(address, stored.counts[index]);
  });
  const varying = new Map<number, Varying>();
  for (const [at, fromQemu, native, reason] of stored.varying) {
    varying.set(at, { reason: VARYING_REASONS[reason] ?? 'stack', qemu: fromQemu, native });
  }
  return new ExpectedCounts(loadBinary(caseOf(caseName).binary), qemu, varying);
}
