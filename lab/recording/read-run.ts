/** Opens a run directory for reading, and holds its tables against the manifest. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type ArrowTableFile, openArrowTable } from './arrow-reader.ts';
import { schemaSha256 } from './batch-digest.ts';
import { TABLE_FILE_SUFFIX } from './format.ts';
import { MANIFEST_FILE, type Manifest, parseManifest } from './manifest.ts';
import { RecordingError, REMEDY_RECORD_AGAIN } from './recording-error.ts';
import { recoverArrowTable, type RecoveryReport } from './recover.ts';

/** A manifest of this size would state millions of batches. */
const MANIFEST_BYTES_MAX = 256 << 20;

export interface RecordedRun {
  /** Absolute path of the directory. */
  readonly path: string;
  /** Last part of the path. */
  readonly name: string;
  /** Null only for a recovered run that was never finished. */
  readonly manifest: Manifest | null;
  /** Names of its tables, sorted. */
  readonly tableNames: readonly string[];
}

function readManifest(path: string): Manifest | null {
  const file = join(path, MANIFEST_FILE);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (!stat.isFile() || stat.size > MANIFEST_BYTES_MAX) {
    const remedy = REMEDY_RECORD_AGAIN;
    throw new RecordingError({ file, problem: 'no manifest of a run', remedy });
  }
  return parseManifest(file, readFileSync(file, 'utf8'));
}

function tableFilesIn(path: string): string[] {
  const names = readdirSync(path).filter((name) => name.endsWith(TABLE_FILE_SUFFIX));
  return names.map((name) => name.slice(0, -TABLE_FILE_SUFFIX.length)).sort();
}

/**
 * Opens a run. With `recover`, a directory without a manifest (an interrupted recording) is taken
 * for what its table files are. Throws RecordingError.
 */
export function openRun(path: string, options: { recover?: boolean } = {}): RecordedRun {
  const absolute = resolve(path);
  const name = basename(absolute);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const remedy = 'Name a run directory, as `lab run` prints it';
    throw new RecordingError({ file: path, problem: 'no such run directory', remedy });
  }
  const manifest = readManifest(absolute);
  if (manifest !== null) {
    return { path: absolute, name, manifest, tableNames: Object.keys(manifest.tables).sort() };
  }
  const tableNames = tableFilesIn(absolute);
  if (options.recover !== true || tableNames.length === 0) {
    const remedy =
      tableNames.length === 0
        ? 'Name a run directory, as `lab run` prints it'
        : 'Read an interrupted recording with `lab query --recover`';
    throw new RecordingError({ file: path, problem: `no ${MANIFEST_FILE}: not a run`, remedy });
  }
  return { path: absolute, name, manifest: null, tableNames };
}

export const tablePath = (run: Pick<RecordedRun, 'path'>, table: string): string =>
  join(run.path, `${table}${TABLE_FILE_SUFFIX}`);

function checkAgainstManifest(file: ArrowTableFile, name: string, manifest: Manifest): void {
  const fault = (problem: string, offset?: number): RecordingError => {
    const place = offset === undefined ? {} : { offset };
    return new RecordingError({ file: file.path, problem, remedy: REMEDY_RECORD_AGAIN, ...place });
  };
  const entry = manifest.tables[name];
  if (entry === undefined) throw fault('the manifest does not know this table');
  if (file.spec.name !== name) throw fault(`holds the table ${file.spec.name}`);
  if (schemaSha256(file.spec) !== entry.schemaSha256) {
    throw fault('its columns are not those that the manifest states');
  }
  if (file.batches.length !== entry.batches.length) {
    const found = `${String(file.batches.length)} batches`;
    throw fault(`${found}, where the manifest states ${String(entry.batches.length)}`);
  }
  for (const [i, batch] of file.batches.entries()) {
    if (batch.sha256 !== entry.batches[i]?.sha256) {
      throw fault(`batch ${String(i)} is not the one that the manifest states`, batch.offset);
    }
  }
}

/** Opens a table of a run. Throws RecordingError when the file is not what the manifest states. */
export async function openTable(run: RecordedRun, name: string): Promise<ArrowTableFile> {
  const file = await openArrowTable(tablePath(run, name));
  if (run.manifest === null) return file;
  try {
    checkAgainstManifest(file, name, run.manifest);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** Opens a table, recovering what is whole if it is torn; then with a report. */
export async function openOrRecoverTable(
  run: RecordedRun,
  name: string,
): Promise<{ table: ArrowTableFile; report: RecoveryReport | null }> {
  try {
    return { table: await openTable(run, name), report: null };
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    return await recoverArrowTable(tablePath(run, name));
  }
}

/** Reads every byte of a run and holds it against the manifest. Throws RecordingError. */
export async function verifyRun(run: RecordedRun): Promise<void> {
  for (const name of run.tableNames) {
    const table = await openTable(run, name);
    try {
      table.verify();
    } finally {
      table.close();
    }
  }
}
