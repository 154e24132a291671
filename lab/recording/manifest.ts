/**
 * manifest.json: the experiment in full, its totals, and the digest of every batch.
 *
 * A replay writes the same bytes: nothing of the host, of the day or of the executor is in it (those
 * go to host.json). Numbers are integers, or figures of the board.
 */
import { z } from 'zod';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import { nextChain } from './batch-digest.ts';
import { FORMAT_VERSION, TABLE_NAME } from './format.ts';
import { RecordingError, REMEDY_RECORD_AGAIN } from './recording-error.ts';

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const stream = z.strictObject({ sha256, bytes: count });

const target = z.strictObject({
  kind: z.enum(['workload', 'elf']),
  /** Name of the workload, or path of the file as the guest sees it. */
  name: z.string(),
  params: z.record(z.string(), scalar),
  /** sha256 of the ELF image that was executed. */
  imageSha256: sha256,
  argv: z.array(z.string()),
  /** `NAME=value` each. */
  env: z.array(z.string()),
  /** Path of the image in the guest's root file system. */
  path: z.string(),
  /** The measured phases in order; empty where the target has none. */
  phases: z.array(z.strictObject({ name: z.string(), operations: count })),
});

const guestFile = z.strictObject({
  /** Absolute path in the guest's root file system. */
  path: z.string(),
  /** Permission bits. */
  mode: count,
  bytes: count,
  sha256,
});

const kernel = z.strictObject({
  /** As the user gave it. */
  commandLine: z.string(),
  /** Every word with the value that took effect. */
  configuration: z.record(z.string(), scalar),
});

/** The board in full; only what readers of a run need is named here. */
const board = z.looseObject({
  name: z.string(),
  cpus: z.int().positive(),
  core: z.looseObject({ coreMHz: z.number().positive(), tscMHz: z.number().positive() }),
});

const window = z.strictObject({ name: z.string(), begin: z.array(count), end: z.array(count) });

const batch = z.strictObject({
  rows: z.int().positive(),
  tickMin: count.nullable(),
  tickMax: count.nullable(),
  sha256,
  chain: sha256,
});

const table = z.strictObject({ rows: count, schemaSha256: sha256, batches: z.array(batch) });

const manifest = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  experiment: z.strictObject({
    target,
    kernel,
    board,
    seed: count,
    events: z.array(z.string()),
    /** Files of the host that the guest found beside the program; runs before there were any have none. */
    files: z.array(guestFile).default([]),
  }),
  totals: z.strictObject({
    /** Final clock of each CPU. */
    ticks: z.array(count),
    userInstructions: count,
    kernelInstructions: count,
    windows: z.array(window),
    /** Hardware events by perf-like name. */
    counters: z.record(z.string(), count),
  }),
  /** Clock minus postings, per CPU: all 0, or the run would have been refused. */
  residualTicks: z.array(z.int()),
  exitStatus: z.int(),
  /** One line on the signal that ended the program. */
  signal: z.string().optional(),
  stdout: stream,
  stderr: stream,
  /** What the kernel warned of. */
  warnings: z.array(z.string()),
  tables: z.record(z.string().regex(TABLE_NAME), table),
});

export type Manifest = z.infer<typeof manifest>;

export const MANIFEST_FILE = 'manifest.json';

/** The text of manifest.json. Throws a ZodError when `value` is not a manifest: our own bug. */
export function manifestText(value: Manifest): string {
  return canonicalJson(manifest.parse(value) as unknown as JsonValue);
}

function fault(file: string, problem: string): RecordingError {
  return new RecordingError({ file, problem, remedy: REMEDY_RECORD_AGAIN });
}

function checkTables(file: string, tables: Manifest['tables']): void {
  for (const [name, { rows, schemaSha256, batches }] of Object.entries(tables)) {
    let chain = schemaSha256;
    let sum = 0;
    for (const [i, entry] of batches.entries()) {
      chain = nextChain(chain, entry.sha256);
      sum += entry.rows;
      if (entry.chain !== chain) {
        throw fault(file, `the hash chain of ${name} breaks at batch ${String(i)}`);
      }
    }
    if (sum !== rows) throw fault(file, `${name} has ${String(sum)} rows, not ${String(rows)}`);
  }
}

function checkVersion(file: string, value: unknown): void {
  const version: unknown =
    typeof value === 'object' && value !== null && 'formatVersion' in value
      ? value.formatVersion
      : undefined;
  if (typeof version !== 'number' || version === FORMAT_VERSION) return;
  const problem = `format version ${String(version)}, not ${String(FORMAT_VERSION)}`;
  const remedy = 'Use the version of lab that wrote it, or record the run again';
  throw new RecordingError({ file, problem, remedy });
}

/** Reads the text of a manifest that may be anything. Throws RecordingError. */
export function parseManifest(file: string, text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fault(file, `no valid JSON: ${(cause as Error).message.replaceAll('\n', ' ')}`);
  }
  checkVersion(file, value);
  const result = manifest.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw fault(file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no manifest'}`);
  }
  checkTables(file, result.data.tables);
  return result.data;
}
