/**
 * Makes the fixtures anew: `npx tsx tests/conformance/programs/build.ts`.
 *
 * For maintainers only (needs the tools of toolchain.ts); the tests read what it wrote. Every case
 * runs natively three times and once under QEMU; an outcome that is not the same each time is an
 * error, unless the table says why QEMU differs.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { FIXTURES, outputFile } from './fixtures.ts';
import type { Golden, StoredGolden } from './fixtures.ts';
import { BINARIES, CASES } from './programs.ts';
import type { Case } from './programs.ts';
import { compile, runInQemu, runNatively } from './toolchain.ts';

const NATIVE_RUNS = 3;
/** Longer outputs go into files of their own, so that goldens.json stays readable. */
const INLINE_OUTPUT_MAX = 4096;

function sameOutcome(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The native outcome of one case, and what is wrong with it. */
function capture(file: string, options: Case): { native: Golden; faults: string[] } {
  const faults: string[] = [];
  const native = runNatively(file, options);
  for (let again = 1; again < NATIVE_RUNS; again++) {
    const other = runNatively(file, options);
    if (!sameOutcome(native, other)) faults.push('two native runs differ');
  }
  if (/FAILED/.test(native.stdout)) faults.push(`a check fails: ${native.stdout}`);
  if (options.notInQemu !== undefined) return { native, faults };
  const emulated = runInQemu(file, options);
  const agrees = sameQemuOutcome(native, emulated);
  if (agrees && options.qemuDiffers) faults.push('QEMU agrees, and the table says not');
  if (!agrees && !options.qemuDiffers) {
    faults.push(`QEMU differs: ${JSON.stringify(native)}\n${JSON.stringify(emulated)}`);
  }
  return { native, faults };
}

/** QEMU adds a line of its own to stderr when a signal ends the guest. */
function sameQemuOutcome(native: Golden, emulated: Golden): boolean {
  const stderr = emulated.stderr.replace(/^qemu: uncaught target signal .*\n/m, '');
  return sameOutcome(native, { ...emulated, stderr });
}

function inlineOrFile(name: string, golden: Golden): StoredGolden {
  if (golden.stdout.length <= INLINE_OUTPUT_MAX) return golden;
  writeFileSync(outputFile(name), gzipSync(Buffer.from(golden.stdout, 'latin1'), { level: 9 }));
  const { stderr, exit, signal } = golden;
  return { stderr, exit, signal };
}

function main(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'cyclelab-fixtures-'));
  mkdirSync(FIXTURES, { recursive: true });
  for (const [name, recipe] of Object.entries(BINARIES)) {
    const file = join(scratch, name);
    compile(recipe, file);
    const packed = gzipSync(readFileSync(file), { level: 9 });
    writeFileSync(join(FIXTURES, `${name}.elf.gz`), packed);
    console.log(`${name}: ${packed.length} bytes`);
  }
  const goldens: Record<string, StoredGolden> = {};
  for (const [name, options] of Object.entries(CASES)) {
    const { native, faults } = capture(join(scratch, options.binary), options);
    goldens[name] = inlineOrFile(name, native);
    for (const fault of faults) {
      console.error(`${name}: ${fault}`);
      process.exitCode = 1;
    }
  }
  writeFileSync(join(FIXTURES, 'goldens.json'), `${JSON.stringify(goldens, null, 2)}\n`);
  console.log(`${Object.keys(goldens).length} cases`);
}

main();
