/**
 * Writes a run directory: everything goes into a folder of a temporary name beside it, which gets
 * the real name when all is whole. Whatever happens, there is a whole run or none.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import { sha256Hex } from './batch-digest.ts';
import { FORMAT_VERSION } from './format.ts';
import { MANIFEST_FILE, manifestText, type Manifest } from './manifest.ts';
import { RecordingError } from './recording-error.ts';
import { type Compression, createTableSink, type TableSink } from './table-sink.ts';

export const HOST_FILE = 'host.json';
export const STDOUT_FILE = 'stdout';
export const STDERR_FILE = 'stderr';

/** A file's digest as the manifest states it. */
export interface StreamDigest {
  readonly sha256: string;
  readonly bytes: number;
}

export interface RunOptions {
  /** Replaces a run of the same name; anything that is not a run stays untouched all the same. */
  readonly overwrite?: boolean;
  readonly compression?: Compression;
}

/** The parts of the manifest that the writer adds itself. */
export type ManifestInput = Omit<Manifest, 'tables' | 'stdout' | 'stderr' | 'formatVersion'>;

export interface RunOutput {
  readonly manifest: ManifestInput;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Facts of this execution: wall time, MIPS, executor, versions. Not compared by replay. */
  readonly host: Readonly<Record<string, JsonValue>>;
}

function isRunOrEmpty(path: string): boolean {
  try {
    const names = readdirSync(path);
    return names.length === 0 || names.includes(MANIFEST_FILE);
  } catch {
    return false;
  }
}

/** Refuses a path that is taken. Throws RecordingError. */
function checkFree(path: string, overwrite: boolean): void {
  if (!existsSync(path)) return;
  if (!overwrite) {
    const remedy = 'Choose another name with --out, or remove the old run first';
    throw new RecordingError({ file: path, problem: 'the run exists already', remedy });
  }
  if (!isRunOrEmpty(path)) {
    const remedy = 'Choose another name with --out';
    throw new RecordingError({ file: path, problem: 'exists and is not a run', remedy });
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

export const digestOf = (bytes: Uint8Array): StreamDigest => ({
  sha256: sha256Hex(bytes),
  bytes: bytes.byteLength,
});

/** A run being written. End it with `finish()` or `abandon()`. */
export class RunWriter {
  private ended = false;

  /** Use `createRun`. */
  constructor(
    /** Absolute path that the run will have. */
    readonly path: string,
    private readonly temporary: string,
    private readonly overwrite: boolean,
    /** Takes the machine's tables and the summary tables. */
    readonly sink: TableSink,
  ) {}

  /** Adds a file, such as the image of the program. */
  addFile(name: string, bytes: Uint8Array | string): void {
    if (basename(name) !== name) throw new RangeError(`${name} is no file name`);
    writeFileSync(join(this.temporary, name), bytes, { flag: 'wx', flush: true });
  }

  /** Writes the rest and gives the run its name. Returns the manifest. */
  finish(output: RunOutput): Manifest {
    const { stdout, stderr } = output;
    const streams = { stdout: digestOf(stdout), stderr: digestOf(stderr) };
    const tables = this.sink.finish() as Manifest['tables'];
    const manifest: Manifest = {
      ...output.manifest,
      ...streams,
      formatVersion: FORMAT_VERSION,
      tables,
    };
    this.addFile(STDOUT_FILE, stdout);
    this.addFile(STDERR_FILE, stderr);
    this.addFile(HOST_FILE, canonicalJson(output.host));
    this.addFile(MANIFEST_FILE, manifestText(manifest));
    syncFolder(this.temporary);
    this.takeName();
    this.ended = true;
    return manifest;
  }

  /** Removes what was written. Does nothing after `finish()`. */
  abandon(): void {
    if (this.ended) return;
    this.ended = true;
    this.sink.abandon();
    rmSync(this.temporary, { recursive: true, force: true });
  }

  private takeName(): void {
    checkFree(this.path, this.overwrite);
    const replaced = `${this.temporary}.replaced`;
    const replaces = existsSync(this.path);
    if (replaces) renameSync(this.path, replaced);
    renameSync(this.temporary, this.path);
    syncFolder(dirname(this.path));
    if (replaces) rmSync(replaced, { recursive: true, force: true });
  }
}

/** Begins a run at `path`. Throws RecordingError when the path is taken or cannot be written. */
export async function createRun(path: string, options: RunOptions = {}): Promise<RunWriter> {
  const target = resolve(path);
  const overwrite = options.overwrite ?? false;
  checkFree(target, overwrite);
  const temporary = join(dirname(target), `.${basename(target)}.partial-${String(process.pid)}`);
  try {
    mkdirSync(dirname(target), { recursive: true });
    // What a killed process of the same number left behind.
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(temporary);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    const remedy = 'Choose a folder that can be written, with --out';
    throw new RecordingError({ file: target, problem: `cannot be created: ${reason}`, remedy });
  }
  const sink = await createTableSink(temporary, options.compression);
  return new RunWriter(target, temporary, overwrite, sink);
}
