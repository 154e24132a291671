/**
 * Makes the expected counts anew: `npx tsx tests/conformance/programs/build-counts.ts [case...]`.
 * For maintainers only; about 80 us for each instruction that is stepped natively.
 *
 * An address is "varying" when QEMU and the native run disagree on it, or when QEMU's own count
 * changes with the length of the file's path, which moves the stack.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { countsFile, packCounts, VARYING_REASONS } from './counts.ts';
import type { Counts, Varying, VaryingReason } from './counts.ts';
import { fixtureNames, loadBinary } from './fixtures.ts';
import { caseOf, GUEST_PATH } from './programs.ts';
import type { Case } from './programs.ts';
import { addressOf, entryOf, executableRanges, symbolOf } from './symbols.ts';
import { buildCounters, countInQemu, countNatively } from './toolchain.ts';
import type { CountedRun, Counters, NativeView } from './toolchain.ts';

/** Lengths of the file's path that QEMU runs it under: the stack moves by about as many bytes. */
const PATH_BYTES = [...Array.from({ length: 73 }, (_, index) => 8 + index), 100, 129, 160, 200];

/** Paths of `bytes` characters, one with a short directory and one with a long one. */
function pathsOf(bytes: number): string[] {
  const name = 'q'.repeat(bytes - '/tmp/'.length);
  return [`/tmp/${name}`, `/tmp/${name.slice(2)}/q`];
}

/** Counts of the image's own code by link-time address. */
function linked(elf: Uint8Array, run: CountedRun): Map<number, number> {
  const bias = run.entry - entryOf(elf);
  const ranges = executableRanges(elf);
  const counts = new Map<number, number>();
  for (const [address, count] of run.counts) {
    const at = address - bias;
    if (ranges.some(({ start, end }) => at >= start && at < end)) counts.set(at, count);
  }
  return counts;
}

function unlike(a: Counts, b: Counts): number[] {
  const addresses = new Set([...a.keys(), ...b.keys()]);
  return [...addresses].filter((address) => a.get(address) !== b.get(address));
}

function total(counts: Counts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function summary(elf: Uint8Array, varying: ReadonlyMap<number, Varying>): string {
  return VARYING_REASONS.map((reason) => {
    const bySymbol = new Map<string, number>();
    for (const [address, { reason: its }] of varying) {
      if (its !== reason) continue;
      const symbol = symbolOf(elf, address);
      bySymbol.set(symbol, (bySymbol.get(symbol) ?? 0) + 1);
    }
    return `  ${reason}: ${[...bySymbol].map(([symbol, n]) => `${symbol} ${n}`).join(', ')}`;
  }).join('\n');
}

/** Runs `use` while the program is at `path`; never overwrites what is there already. */
function withProgram<T>(path: string, elf: Uint8Array, use: () => T): T {
  const directory = dirname(path);
  const isNew = !existsSync(directory);
  if (isNew) mkdirSync(directory);
  writeFileSync(path, elf, { mode: 0o755, flag: 'wx' });
  try {
    return use();
  } finally {
    rmSync(isNew ? directory : path, { recursive: isNew });
  }
}

/**
 * Hiding the vDSO leaves its auxiliary entry in place as one to ignore, where a kernel without a vDSO
 * passes none: what a loop over the vector makes of it is a matter of the vector.
 */
function reclaimAuxv(elf: Uint8Array, varying: Map<number, Varying>): void {
  const readers = new Set<string>();
  for (const [address, { reason }] of varying) {
    if (reason === 'auxv') readers.add(symbolOf(elf, address));
  }
  for (const [address, both] of varying) {
    const isReader = both.reason === 'vdso' && readers.has(symbolOf(elf, address));
    if (isReader) varying.set(address, { ...both, reason: 'auxv' });
  }
}

function countCase(name: string, options: Case, counters: Counters, scratch: string): void {
  const elf = loadBinary(options.binary);
  const report = join(scratch, 'report.txt');
  const inQemu = (path: string): CountedRun => {
    return withProgram(path, elf, () => countInQemu(counters, path, options, report));
  };
  const natively = (view: NativeView): CountedRun => {
    return withProgram(GUEST_PATH, elf, () => {
      return countNatively(counters, GUEST_PATH, options, view, report);
    });
  };
  const qemuRun = inQemu(GUEST_PATH);
  const nativeRun = natively({ cpu: 'guest', vdso: true });
  if (qemuRun.outcome.stdout !== nativeRun.outcome.stdout)
    throw new Error(`${name}: outputs differ`);
  const qemu = linked(elf, qemuRun);
  const native = linked(elf, nativeRun);
  const varying = new Map<number, Varying>();
  const add = (reason: VaryingReason, addresses: readonly number[]): void => {
    for (const address of addresses) {
      if (varying.has(address)) continue;
      const [fromQemu = 0, fromNative = 0] = [qemu.get(address), native.get(address)];
      varying.set(address, { reason, qemu: fromQemu, native: fromNative });
    }
  };
  for (const path of PATH_BYTES.flatMap(pathsOf)) {
    add('stack', unlike(qemu, linked(elf, inQemu(path))));
  }
  const main = addressOf(elf, 'main');
  if (main !== undefined) {
    const startUp = (view: NativeView): Counts => {
      const until = main - entryOf(elf);
      return linked(elf, natively({ ...view, until }));
    };
    const shown = startUp({ cpu: 'qemu64', vdso: true });
    add('cpuid', unlike(startUp({ cpu: 'guest', vdso: true }), shown));
    add('vdso', unlike(startUp({ cpu: 'qemu64', vdso: false }), shown));
  }
  add('auxv', unlike(qemu, native));
  reclaimAuxv(elf, varying);
  const packed = packCounts(qemu, varying);
  writeFileSync(countsFile(name), packed);
  console.log(
    `${name}: ${qemu.size} addresses, ${total(qemu)} retired (native ${total(native)}), ` +
      `${varying.size} vary, ${packed.length} bytes\n${summary(elf, varying)}`,
  );
}

function main(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'cyclelab-counts-'));
  const counters = buildCounters(scratch);
  const chosen = process.argv.slice(2);
  for (const name of chosen.length > 0 ? chosen : fixtureNames()) {
    const options = caseOf(name);
    if (options.counted) countCase(name, options, counters, scratch);
  }
}

main();
