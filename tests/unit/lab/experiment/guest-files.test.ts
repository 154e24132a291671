/** `--file`: the guest finds the bytes, the manifest knows them, a replay holds them against it. */
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFiles, type Experiment } from '../../../../lab/experiment/experiment.ts';
import { record } from '../../../../lab/record/record.ts';
import { resolveExperiment } from '../../../../lab/record/resolve.ts';
import { replay } from '../../../../lab/replay/replay.ts';
import { registers } from '../../../../workloads/lib/assembly.ts';
import { buildExecutable } from '../../../../workloads/lib/program.ts';

const EXECUTION = { tier: 'auto', filter: true, zstd: false } as const;
const folder = mkdtempSync(join(tmpdir(), 'guest-files-'));

/** A program that copies /data/in/text to standard output. */
function catProgram(): string {
  const { bytes } = buildExecutable(0, (guest) => {
    const path = guest.constant('/data/in/text');
    const buffer = guest.variable('buffer', 256);
    guest.syscall('open', path.label, 0, 0);
    guest.asm.mov(registers.rbx, registers.rax);
    guest.syscall('read', registers.rbx, buffer, 256);
    guest.asm.mov(registers.rbp, registers.rax);
    guest.syscall('write', 1, buffer, registers.rbp);
    guest.exit(0);
  });
  const file = join(folder, 'cat');
  writeFileSync(file, bytes);
  return file;
}

const target = catProgram();
const text = join(folder, 'text');
writeFileSync(text, 'from the host\n');

const experiment = (files: readonly string[]): Experiment => ({
  target,
  guestArguments: [],
  env: [],
  kernel: '',
  board: 'simple',
  params: {},
  seed: 1,
  files: parseFiles(files),
  events: [],
});

describe('a file of the host', () => {
  it('is read by the guest, stated by digest, and replayed', async () => {
    const out = join(folder, 'run');
    const resolved = resolveExperiment(experiment([`/data/in/text=${text}`]));
    const run = await record(resolved, { ...EXECUTION, out });
    expect(new TextDecoder().decode(run.stdout)).toBe('from the host\n');
    expect(run.manifest.experiment.files).toMatchObject([
      { path: '/data/in/text', mode: 0o644, bytes: 14 },
    ]);
    // What has become of the file since then does not matter.
    writeFileSync(text, 'something else\n');
    expect((await replay(out, EXECUTION)).identical).toBe(true);
    writeFileSync(text, 'from the host\n');

    const stored = join(out, 'file-1.bin');
    expect(readFileSync(stored, 'utf8')).toBe('from the host\n');
    chmodSync(stored, 0o644);
    writeFileSync(stored, 'From the host\n');
    await expect(replay(out, EXECUTION)).rejects.toThrow(/not the file that the manifest states/);
  });

  it('may be executable, and replaces one that is there', () => {
    const [file] = resolveExperiment(experiment([`/etc/passwd=${target}`])).files;
    expect(file.mode).toBe(0o644);
    chmodSync(target, 0o755);
    expect(resolveExperiment(experiment([`/bin/cat=${target}`])).files[0].mode).toBe(0o755);
  });
});

describe('refused', () => {
  it.each(['relative=x', '/=x', '/a/=x', '/a/../b=x', '/proc/x=y', '/dev/null=y', '/sys=y', 'x'])(
    '%s: no place for a file',
    (word) => {
      expect(() => parseFiles([word])).toThrow();
    },
  );

  it('twice the same place', () => {
    expect(() => parseFiles(['/a=x', '/a=y'])).toThrow(/twice/);
  });

  it.each([
    [['/tmp'], /directory/],
    [['/a', '/a/b'], /directory/],
    [['/etc/passwd/x'], /no directory/],
    [['/cat/x'], /no directory/],
  ])('%j: the places contradict each other', (places, problem) => {
    const words = places.map((place) => `${place}=${text}`);
    expect(() => resolveExperiment(experiment(words))).toThrow(problem);
  });

  it('a file that is not there, or no file', () => {
    expect(() => resolveExperiment(experiment(['/a=/nowhere/b']))).toThrow(/ENOENT/);
    expect(() => resolveExperiment(experiment([`/a=${folder}`]))).toThrow(/no regular file/);
  });
});
