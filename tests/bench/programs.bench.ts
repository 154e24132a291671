/**
 * Whole runs of Lua, SQLite and zlib programs, start-up included, beside valgrind's cachegrind:
 * `npm run fixtures:large -- DIRECTORY`, then `LARGE_FIXTURES=DIRECTORY npm run bench -- programs`.
 * Each run is a process of its own, whose whole time counts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../conformance/programs/run-program.ts';
import { isInstalled, secondsOf } from './cachegrind.ts';

const PROGRAMS = ['lua', 'sqlite', 'zlib'];
const ROUNDS = 3;
const ONE = '--one';

function runOne(file: string): void {
  const elf = readFileSync(file);
  const input = { elf, path: '/program', argv: ['program'], env: [], board: 'zen4-vm', seed: 1 };
  const { instructions, exit } = runProgram({ ...input, tier: 'auto', filter: true });
  if (exit !== 0) throw new Error(`${file}: exit ${String(exit)}`);
  console.log(instructions);
}

/** The fastest of some rounds: seconds, and what the run printed last. */
function ours(file: string): { seconds: number; instructions: number } {
  let best = Infinity;
  let instructions = NaN;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    const self = fileURLToPath(import.meta.url);
    const { stdout } = spawnSync(process.execPath, [self, ONE, file], { encoding: 'utf8' });
    best = Math.min(best, (performance.now() - begin) / 1000);
    instructions = Number(stdout.trim());
  }
  return { seconds: best, instructions };
}

function compare(directory: string): void {
  const hasPeer = isInstalled();
  const table: Record<string, Record<string, number>> = {};
  for (const name of PROGRAMS) {
    const file = join(directory, name);
    const { seconds, instructions } = ours(file);
    const row: Record<string, number> = { seconds, MIPS: instructions / seconds / 1e6 };
    if (hasPeer) {
      const peer = Math.min(...Array.from({ length: ROUNDS }, () => secondsOf(file, [])));
      row['cachegrind seconds'] = peer;
      row['cachegrind MIPS'] = instructions / peer / 1e6;
      row['ratio'] = peer / seconds;
    }
    table[name] = Object.fromEntries(
      Object.entries(row).map(([key, value]) => [key, Math.round(value * 100) / 100]),
    );
  }
  console.table(table);
}

const { argv, env } = process;
const directory = env['LARGE_FIXTURES'] ?? '';
if (argv[2] === ONE) runOne(argv[3]);
else if (existsSync(join(directory, PROGRAMS[0]))) compare(directory);
else console.log('no programs: npm run fixtures:large -- DIRECTORY, then set LARGE_FIXTURES');
