/**
 * Compiling, running natively and running under QEMU: what build.ts needs of the maintainer's
 * machine (gcc, musl-tools, binutils, qemu-user; Linux on x86-64).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BinaryRecipe, Case, Linkage } from './programs.ts';

const HERE = import.meta.dirname;
const MUSL = '/usr/lib/x86_64-linux-musl';
const COMPILE = ['-O2', '-Wall', '-Wextra', '-Wno-infinite-recursion', '-Wno-stringop-overread'];
const COMMON = ['-fno-asynchronous-unwind-tables', '-fcf-protection=none', '-Wl,--build-id=none'];

/** Compiler and options of each linkage; musl-pie is linked by hand because musl-gcc cannot. */
const LINKAGES: Readonly<Record<Exclude<Linkage, 'musl-pie'>, readonly string[]>> = {
  bare: ['gcc', '-static', '-nostdlib', '-fno-stack-protector'],
  glibc: ['gcc', '-static', '-no-pie'],
  'glibc-pie': ['gcc', '-static-pie', '-fPIE'],
  musl: ['musl-gcc', '-static', '-no-pie', '-fno-pie'],
  'musl-dynamic': ['musl-gcc', '-pie', '-fPIE'],
};

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Builds `recipe` into the file `output`, stripped of debugging sections but not of symbols. */
export function compile(recipe: BinaryRecipe, output: string): void {
  const sources = recipe.sources.map((name) => join(HERE, 'sources', name));
  const flags = [...COMPILE, ...COMMON, ...(recipe.flags ?? [])];
  if (recipe.linkage === 'musl-pie') linkMuslPie(sources, flags, output);
  else {
    const [compiler = 'gcc', ...options] = LINKAGES[recipe.linkage];
    const isCxx = recipe.sources.some((name) => name.endsWith('.cc'));
    const libraries = recipe.linkage === 'bare' ? [] : [...(recipe.libraries ?? []), '-lm'];
    const args = [...options, ...flags, '-o', output, ...sources, ...libraries];
    run(isCxx ? 'g++' : compiler, args);
  }
  run('strip', ['-g', '-R', '.comment', output]);
}

function linkMuslPie(sources: readonly string[], flags: readonly string[], output: string): void {
  const objects = sources.map((source, index) => {
    const object = `${output}.${index}.o`;
    run('musl-gcc', ['-fPIE', ...flags, '-c', '-o', object, source]);
    return object;
  });
  const runtime = run('gcc', ['-print-libgcc-file-name']).trim();
  run('ld', [
    ...['-static', '-pie', '--no-dynamic-linker', '-z', 'text', '-z', 'relro', '-o', output],
    ...[`${MUSL}/rcrt1.o`, `${MUSL}/crti.o`, ...objects],
    ...['--start-group', `${MUSL}/libc.a`, runtime, '--end-group', `${MUSL}/crtn.o`],
  ]);
}

/** What a finished process leaves. Exactly one of `exit` and `signal` is not null. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
  readonly signal: string | null;
}

function spawn(command: string, args: readonly string[], options: Case, argv0: string): Outcome {
  const env = Object.fromEntries((options.env ?? []).map(splitEntry));
  const child = spawnSync(command, args, {
    argv0,
    env,
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  });
  if (child.error) throw child.error;
  const { stdout, stderr, status, signal } = child;
  return { stdout, stderr, exit: status, signal };
}

function splitEntry(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return [entry.slice(0, at), entry.slice(at + 1)];
}

/** Runs the file on this processor and kernel, stdin from /dev/null, stdout and stderr to pipes. */
export function runNatively(file: string, options: Case): Outcome {
  const [argv0 = '', ...rest] = options.argv;
  return spawn(file, rest, options, argv0);
}

export const QEMU = 'qemu-x86_64';

/** Runs the file under QEMU's user mode; `extra` are QEMU's own options. */
export function runInQemu(file: string, options: Case, extra: readonly string[] = []): Outcome {
  const [argv0 = '', ...rest] = options.argv;
  const args = [...['-cpu', 'qemu64'], ...extra, ...['-0', argv0, file], ...rest];
  return spawn(QEMU, args, options, QEMU);
}

/** Programs that count retired instructions; build them with buildCounters. */
export interface Counters {
  readonly plugin: string;
  readonly stepper: string;
}

export function buildCounters(directory: string): Counters {
  const sources = join(HERE, 'oracle');
  const plugin = join(directory, 'count-plugin.so');
  const stepper = join(directory, 'step');
  const shared = ['-shared', '-fPIC', '-o', plugin, join(sources, 'count-plugin.c')];
  run('gcc', ['-O2', '-Wall', '-Wextra', ...shared]);
  run('gcc', ['-O2', '-Wall', '-Wextra', '-o', stepper, join(sources, 'step.c')]);
  return { plugin, stepper };
}

export interface CountedRun {
  readonly outcome: Outcome;
  /** Run-time address of the first instruction executed. */
  readonly entry: number;
  /** Retired times by run-time address; a rep string instruction counts each time it begins. */
  readonly counts: ReadonlyMap<number, number>;
}

/** A rep prefix, perhaps a REX prefix, and movs, cmps, stos, lods or scas. */
const REP_STRING = /^f[23](4.)?a[4-7a-f]/;

function readCounts(outcome: Outcome, file: string): CountedRun {
  const [first = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const counts = new Map<number, number>();
  for (const line of lines) {
    const [address = '', passes = '', entries = '', bytes = ''] = line.split(' ');
    counts.set(parseInt(address, 16), Number(REP_STRING.test(bytes) ? entries : passes));
  }
  return { outcome, entry: parseInt(first.slice('entry '.length), 16), counts };
}

/** Runs under QEMU with the counting plugin, which writes to the file `report`. */
export function countInQemu(
  counters: Counters,
  file: string,
  options: Case,
  report: string,
): CountedRun {
  const plugin = ['-plugin', `${counters.plugin},out=${report}`];
  return readCounts(runInQemu(file, options, plugin), report);
}

/** How the stepper shows the machine to the program; see oracle/step.c. */
export interface NativeView {
  readonly cpu: 'qemu64' | 'guest';
  readonly vdso: boolean;
  /** Bytes after the entry point at which to stop. Absent: at the end. */
  readonly until?: number;
}

/** The same on this processor and kernel, one step at a time (about 80 us an instruction). */
export function countNatively(
  counters: Counters,
  file: string,
  options: Case,
  { cpu, vdso, until }: NativeView,
  report: string,
): CountedRun {
  const view = [cpu, vdso ? 'vdso' : 'none', until === undefined ? 'end' : until.toString(16)];
  const args = [...view, report, file, ...options.argv];
  return readCounts(spawn(counters.stepper, args, options, counters.stepper), report);
}
