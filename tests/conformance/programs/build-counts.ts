/**
 * Makes the expected counts anew: `npx tsx tests/conformance/programs/build-counts.ts [case...]`.
 * For maintainers only; about 80 us for each instruction that is stepped natively.
 *
 * An address is "varying" when QEMU and the native run disagree on it, or when QEMU's own count
 * changes with the length of the file's path, which moves the stack.
 */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { countsFile, packCounts, VARYING_REASONS } from './counts.ts';
import type { Counts, Varying, VaryingReason } from './counts.ts';
import { fixtureNames, loadBinary } from './fixtures.ts';
import { caseOf } from './programs.ts';
import type { Case } from './programs.ts';
import { addressOf, entryOf, executableRanges, symbolOf } from './symbols.ts';
import { buildCounters, countInQemu, countNatively } from './toolchain.ts';
import type { CountedRun, Counters, NativeView } from './toolchain.ts';

/** Extra characters in the file's path: the stack pointer moves by about as many bytes. */
const PATH_PADDING = [1, 8, 17, 24, 33, 48, 63, 80, 127];

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

function countCase(name: string, options: Case, counters: Counters, scratch: string): void {
  const elf = loadBinary(options.binary);
  const install = (padding: number): string => {
    const directory = join(scratch, 'p'.repeat(padding + 1));
    mkdirSync(directory, { recursive: true });
    const file = join(directory, options.binary);
    writeFileSync(file, elf);
    chmodSync(file, 0o755);
    return file;
  };
  const file = install(0);
  const qemuRun = countInQemu(counters, file, options);
  const nativeRun = countNatively(counters, file, options, { cpu: 'guest', vdso: true });
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
  const main = addressOf(elf, 'main');
  if (main !== undefined) {
    const startUp = (view: NativeView): Counts => {
      const until = main - entryOf(elf);
      return linked(elf, countNatively(counters, file, options, { ...view, until }));
    };
    const shown = startUp({ cpu: 'qemu64', vdso: true });
    add('cpuid', unlike(startUp({ cpu: 'guest', vdso: true }), shown));
    add('vdso', unlike(startUp({ cpu: 'qemu64', vdso: false }), shown));
  }
  add('auxv', unlike(qemu, native));
  for (const padding of PATH_PADDING) {
    add('stack', unlike(qemu, linked(elf, countInQemu(counters, install(padding), options))));
  }
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
