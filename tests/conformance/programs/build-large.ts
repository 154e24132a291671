/**
 * Builds the large programs and compares their native and QEMU outcomes with the stored ones:
 * `npm run fixtures:large -- DIRECTORY [--accept] [--machine]`. With --accept the native
 * outcomes are stored; with --machine the machine runs the programs too.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Golden } from './fixtures.ts';
import { LARGE_BINARIES, LARGE_CASES, LARGE_GOLDENS, loadLargeFixture } from './large.ts';
import { GUEST_PATH } from './programs.ts';
import { runProgram } from './run-program.ts';
import { compile, runInQemu, runNatively } from './toolchain.ts';

/** Where Debian's busybox-static puts its program, which we only copy. */
const BUSYBOX = '/bin/busybox';

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function build(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, recipe] of Object.entries(LARGE_BINARIES))
    compile(recipe, join(directory, name));
  const busybox = join(directory, 'busybox');
  if (!existsSync(busybox)) copyFileSync(BUSYBOX, busybox);
}

/** What the machine makes of a case: empty when it agrees with Linux. */
function machineVerdict(name: string, directory: string): string[] {
  const { elf, argv, env, stdout, stderr, exit, signal } = loadLargeFixture(name, directory);
  const input = { elf, path: GUEST_PATH, argv, env, board: 'simple', seed: 1, filter: true };
  try {
    const result = runProgram({ ...input, tier: 'auto' });
    const outcome = [result.stdout, result.stderr, result.exit, result.signal];
    return same(outcome, [stdout, stderr, exit, signal])
      ? []
      : [`the machine differs: exit ${result.exit ?? '-'}, signal ${result.signal ?? '-'}`];
  } catch (error) {
    return [`the machine fails: ${String(error)}`];
  }
}

function main(args: readonly string[]): void {
  const directory = args.at(0);
  if (directory === undefined) {
    throw new Error('usage: build-large.ts DIRECTORY [--accept] [--machine]');
  }
  const [isAccepting, onMachine] = [args.includes('--accept'), args.includes('--machine')];
  build(directory);
  const stored = JSON.parse(readFileSync(LARGE_GOLDENS, 'utf8')) as Record<string, Golden>;
  const outcomes: Record<string, Golden> = {};
  for (const [name, options] of Object.entries(LARGE_CASES)) {
    const file = join(directory, options.binary);
    const native = runNatively(file, options);
    outcomes[name] = native;
    const verdicts = [
      ...(same(native, runInQemu(file, options)) ? [] : ['QEMU differs']),
      ...(same(native, stored[name]) ? [] : ['the stored outcome differs']),
      ...(onMachine ? machineVerdict(name, directory) : []),
    ];
    console.log(`${name}: ${verdicts.length > 0 ? verdicts.join(', ') : 'as stored'}`);
    if (verdicts.length > 0 && !isAccepting) process.exitCode = 1;
  }
  if (isAccepting) writeFileSync(LARGE_GOLDENS, `${JSON.stringify(outcomes, null, 2)}\n`);
}

main(process.argv.slice(2));
