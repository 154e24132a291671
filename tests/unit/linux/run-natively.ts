/** Runs guest executables on the host's own kernel, where there is one: the oracle of the model. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Why executables cannot run here; undefined where they can. */
export const WHY_NOT_NATIVE: string | undefined =
  process.platform === 'linux' && process.arch === 'x64'
    ? undefined
    : `needs x86-64 Linux; this is ${process.arch} ${process.platform}`;

export interface NativeResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
}

/** Runs the ELF file `bytes` with an empty environment, for at most ten seconds. */
export function runNatively(bytes: Uint8Array): NativeResult {
  const folder = mkdtempSync(path.join(tmpdir(), 'cyclelab-'));
  try {
    const file = path.join(folder, 'program');
    writeFileSync(file, bytes, { mode: 0o755 });
    const { status, signal, stdout, error } = spawnSync(file, [], {
      encoding: 'utf8',
      env: {},
      timeout: 10_000,
    });
    if (error !== undefined) throw error;
    return { status, signal, stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
