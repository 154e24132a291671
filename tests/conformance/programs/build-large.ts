/**
 * Builds the large programs and compares their native and QEMU outcomes with the stored ones:
 * `npm run fixtures:large -- DIRECTORY [--accept]`. With --accept the native outcomes are stored.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Golden } from './fixtures.ts';
import { LARGE_BINARIES, LARGE_CASES, LARGE_GOLDENS } from './large.ts';
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

function main(args: readonly string[]): void {
  const directory = args.at(0);
  const option = args.at(1);
  if (directory === undefined) throw new Error('usage: build-large.ts DIRECTORY [--accept]');
  build(directory);
  const stored = JSON.parse(readFileSync(LARGE_GOLDENS, 'utf8')) as Partial<Record<string, Golden>>;
  const outcomes: Record<string, Golden> = {};
  for (const [name, options] of Object.entries(LARGE_CASES)) {
    const file = join(directory, options.binary);
    const native = runNatively(file, options);
    outcomes[name] = native;
    const verdicts = [
      ...(same(native, runInQemu(file, options)) ? [] : ['QEMU differs']),
      ...(same(native, stored[name]) ? [] : ['the stored outcome differs']),
    ];
    console.log(`${name}: ${verdicts.length > 0 ? verdicts.join(', ') : 'as stored'}`);
    if (verdicts.length > 0 && option !== '--accept') process.exitCode = 1;
  }
  if (option === '--accept') {
    writeFileSync(LARGE_GOLDENS, `${JSON.stringify(outcomes, null, 2)}\n`);
  }
}

main(process.argv.slice(2));
