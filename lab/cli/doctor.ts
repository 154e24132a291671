/** `lab doctor`: can this host run the lab? Every finding says what to do about it. */
import { accessSync, constants } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { ExitCode } from './errors.ts';
import { colour, formatTable, printJson, printLine } from './output.ts';

/** `warning`: works, but slower or with less. */
type Verdict = 'ok' | 'warning' | 'failed';

interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
  readonly remedy?: string;
}

type Check = () => Finding | Promise<Finding>;

const GIB = 2 ** 30;
/** The largest board's memory and the recorder's batches fit in this. */
const MEMORY_MIN_GIB = 2;
const CORES_ADVISED = 2;

/** Smallest modules that use a feature; `validate` says whether the engine knows it. */
const WASM_FEATURES = {
  'wasm simd': [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
    ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  ],
  'wasm tail calls': [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0],
    ...[10, 6, 1, 4, 0, 18, 0, 11],
  ],
  'wasm bulk memory': [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1],
    ...[10, 13, 1, 11, 0, 65, 0, 65, 0, 65, 0, 252, 11, 0, 11],
  ],
} as const;

function nodeVersion(): Finding {
  const wanted = packageJson.engines.node.replace('>=', '');
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  const isNewEnough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return isNewEnough
    ? { check: 'node', verdict: 'ok', detail: process.versions.node }
    : {
        check: 'node',
        verdict: 'failed',
        detail: process.versions.node,
        remedy: `install Node ${wanted} or later`,
      };
}

function memory(): Finding {
  const gib = os.totalmem() / GIB;
  const detail = `${gib.toFixed(1)} GiB, ${(os.freemem() / GIB).toFixed(1)} GiB free`;
  return gib >= MEMORY_MIN_GIB
    ? { check: 'memory', verdict: 'ok', detail }
    : { check: 'memory', verdict: 'warning', detail, remedy: 'use boards with little memory' };
}

function cores(): Finding {
  const count = os.availableParallelism();
  const finding = { check: 'cores', detail: String(count) };
  return count >= CORES_ADVISED
    ? { ...finding, verdict: 'ok' }
    : { ...finding, verdict: 'warning', remedy: 'a run needs one; comparisons take longer' };
}

function writeAccess(): Finding {
  const folder = process.cwd();
  const finding = { check: 'write access', detail: folder };
  try {
    accessSync(folder, constants.W_OK);
    return { ...finding, verdict: 'ok' };
  } catch {
    return { ...finding, verdict: 'failed', remedy: 'give runs a place with --out' };
  }
}

const wasmFeature =
  (check: string, module: readonly number[]): Check =>
  () =>
    WebAssembly.validate(new Uint8Array(module))
      ? { check, verdict: 'ok', detail: 'supported' }
      : { check, verdict: 'failed', detail: 'not supported', remedy: 'install a newer Node' };

/** Loads a package and does something small with it, so that a broken binary shows. */
const loads =
  (check: string, use: () => Promise<string>): Check =>
  async () => {
    try {
      return { check, verdict: 'ok', detail: await use() };
    } catch (error) {
      const detail = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
      return { check, verdict: 'failed', detail, remedy: 'install the dependencies again: npm ci' };
    }
  };

async function useDuckDb(): Promise<string> {
  const { DuckDBInstance, version } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run('select 1');
  connection.closeSync();
  instance.closeSync();
  return version();
}

async function useArrow(): Promise<string> {
  const { tableFromArrays, tableToIPC } = await import('apache-arrow');
  const bytes = tableToIPC(tableFromArrays({ tick: new Int32Array([1]) }), 'file');
  return `writes a table of ${bytes.length} bytes`;
}

const CHECKS: readonly Check[] = [
  nodeVersion,
  memory,
  cores,
  writeAccess,
  ...Object.entries(WASM_FEATURES).map(([name, module]) => wasmFeature(name, module)),
  loads('duckdb', useDuckDb),
  loads('apache-arrow', useArrow),
];

const COLOURS = { ok: colour.green, warning: colour.yellow, failed: colour.red } as const;

/** Runs every check in order. */
export async function examineHost(): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of CHECKS) findings.push(await check());
  return findings;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Checks that this host can run the lab, and says what to do where it cannot.')
    .option('--json', 'print the findings as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const findings = await examineHost();
      const isHealthy = findings.every(({ verdict }) => verdict !== 'failed');
      if (json) printJson({ healthy: isHealthy, findings });
      else printFindings(findings);
      if (!isHealthy) process.exitCode = ExitCode.INFRASTRUCTURE;
    });
}

function printFindings(findings: readonly Finding[]): void {
  const columns = [{ title: 'check' }, { title: 'verdict' }, { title: 'detail' }];
  const rows = findings.map(({ check, verdict, detail, remedy }) => [
    check,
    COLOURS[verdict](verdict),
    remedy === undefined ? detail : `${detail} (${remedy})`,
  ]);
  printLine(formatTable(columns, rows));
}
