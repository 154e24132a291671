/** Runs the built command line the way a user does: a process of its own, its streams into pipes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

export interface LabResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function lab(...args: readonly string[]): LabResult {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(ROOT, 'dist/lab.js'), ...args],
    { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 1 << 28 },
  );
  return { status, stdout, stderr };
}

/** What `lab run --json` promises to print, at the least. */
export interface RunJson {
  readonly run: string;
  readonly target: string;
  readonly board: string;
  readonly kernel: string;
  readonly seed: number | string;
  readonly ticks: number;
  readonly cycles: number;
  readonly ns: number;
  readonly instructions: number;
  readonly operations: number;
  readonly nsPerOperation: number;
  readonly residualTicks: number;
  readonly exitStatus: number;
  readonly stdout: string;
  readonly host: { readonly wallMs: number; readonly mips: number };
}

/** Runs `lab run ... --json`, expects it to work, and returns what it printed. */
export function labRun(...args: readonly string[]): RunJson {
  const separator = args.indexOf('--');
  const before = separator < 0 ? args : args.slice(0, separator);
  const after = separator < 0 ? [] : args.slice(separator);
  const result = lab('run', ...before, '--json', ...after);
  if (result.stdout === '') throw new Error(`lab run printed nothing: ${result.stderr}`);
  return JSON.parse(result.stdout) as RunJson;
}

/** A folder that lives as long as `use` runs. */
export function withTemporaryFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'cyclelab-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything in a run directory but what belongs to the host, by file name. */
export function deterministicFiles(run: string): Map<string, Buffer> {
  const names = readdirSync(run)
    .filter((name) => name !== 'host.json')
    .sort();
  return new Map(names.map((name) => [name, readFileSync(path.join(run, name))]));
}
