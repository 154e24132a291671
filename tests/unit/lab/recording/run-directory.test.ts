/** Run directories: whole or absent, byte-identical, and held against their manifest. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../../lab/recording/canonical-json.ts';
import { MANIFEST_FILE, type Manifest } from '../../../../lab/recording/manifest.ts';
import { openRun, openTable, verifyRun } from '../../../../lab/recording/read-run.ts';
import { RecordingError } from '../../../../lab/recording/recording-error.ts';
import { createRun } from '../../../../lab/recording/run-directory.ts';
import { createTableSink } from '../../../../lab/recording/table-sink.ts';
import { fillEveryType, KeepingSink, scratchFolder } from './synthetic.ts';
import { writeSyntheticRun } from './synthetic-run.ts';

const scratch = scratchFolder();

const filesOf = (path: string): Map<string, Buffer> =>
  new Map(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));

function editManifest(path: string, edit: (manifest: Manifest) => void): void {
  const file = join(path, MANIFEST_FILE);
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  edit(manifest);
  writeFileSync(file, canonicalJson(manifest as never));
}

describe('writing', () => {
  it('gives the same bytes for the same run, and others for another seed', async () => {
    await writeSyntheticRun(scratch('same-a'));
    await writeSyntheticRun(scratch('same-b'));
    await writeSyntheticRun(scratch('other'), { seed: 2 });
    const [a, b, other] = ['same-a', 'same-b', 'other'].map((name) => filesOf(scratch(name)));
    expect(a).toEqual(b);
    expect(other).not.toEqual(a);
    expect(other.get('ledger.arrow')).toEqual(a.get('ledger.arrow'));
  });

  it('states the same hashes whether compressed or not', async () => {
    const plain = await writeSyntheticRun(scratch('plain'));
    const packed = await writeSyntheticRun(scratch('packed'), { compression: 'zstd' });
    expect(packed).toEqual(plain);
    const sizes = ['plain', 'packed'].map(
      (name) => readFileSync(join(scratch(name), 'every_type.arrow')).length,
    );
    expect(sizes[1]).toBeLessThan(sizes[0]);
  });

  it('leaves nothing behind when abandoned', async () => {
    const parent = scratch('abandoned');
    const run = await createRun(join(parent, 'run'));
    fillEveryType(run.sink, 10);
    expect(readdirSync(parent)).not.toContain('run');
    run.abandon();
    expect(readdirSync(parent)).toEqual([]);
  });

  it('refuses a name that is taken, unless asked, and never replaces what is no run', async () => {
    const path = scratch('taken');
    await writeSyntheticRun(path);
    const before = filesOf(path);
    await expect(writeSyntheticRun(path, { seed: 2 })).rejects.toThrow(/exists/);
    expect(filesOf(path)).toEqual(before);
    await writeSyntheticRun(path, { seed: 2, overwrite: true });
    expect(filesOf(path)).not.toEqual(before);

    const precious = scratch('precious');
    mkdirSync(precious);
    writeFileSync(join(precious, 'thesis.txt'), 'years of work');
    await expect(writeSyntheticRun(precious, { overwrite: true })).rejects.toThrow(/not a run/);
    expect(readdirSync(precious)).toEqual(['thesis.txt']);
  });

  it('says in which folder it cannot write', async () => {
    const file = scratch('a-file');
    writeFileSync(file, '');
    await expect(createRun(join(file, 'run'))).rejects.toBeInstanceOf(RecordingError);
  });

  it('saves what the guest printed', async () => {
    const path = scratch('printed');
    const { stdout } = await writeSyntheticRun(path);
    expect(readFileSync(join(path, 'stdout'), 'utf8')).toBe('hello\n');
    expect(stdout.bytes).toBe(6);
  });
});

describe('hashes', () => {
  it('change with one value of one row, from that batch on', async () => {
    const [first, second] = [new KeepingSink(), new KeepingSink()];
    fillEveryType(first, 65_536 * 2 + 10);
    fillEveryType(second, 65_536 * 2 + 10);
    const changed = second.batches[1];
    changed.columns[6][1234] ^= 1;
    const entries = await Promise.all(
      [first, second].map(async ({ batches }, i) => {
        const sink = await createTableSink(scratch(`hash-${String(i)}`));
        for (const { table, columns, rows } of batches) sink.write(table, columns, rows);
        return sink.finish()['every_type'].batches;
      }),
    );
    const [a, b] = entries;
    const same = (key: 'sha256' | 'chain') => a.map((batch, i) => batch[key] === b[i][key]);
    expect(same('sha256')).toEqual([true, false, true]);
    expect(same('chain')).toEqual([true, false, false]);
  });

  it('state the range of ticks of each batch', async () => {
    const { tables } = await writeSyntheticRun(scratch('ticks'));
    expect(tables['syscalls'].batches).toMatchObject([
      { tickMin: 64_640, tickMax: 64_640 + 99 * 512 },
    ]);
    expect(tables['symbols'].batches).toMatchObject([{ tickMin: null, tickMax: null }]);
  });
});

describe('reading', () => {
  it('verifies a whole run, compressed or not', async () => {
    for (const compression of ['none', 'zstd'] as const) {
      const path = scratch(`verify-${compression}`);
      await writeSyntheticRun(path, { compression });
      await verifyRun(openRun(path));
    }
  });

  /** What is done to a run, and what must be said. */
  const damages: readonly (readonly [string, (path: string) => void, RegExp])[] = [
    [
      'a table that is missing',
      (path) => {
        rmSync(join(path, 'tasks.arrow'));
      },
      /tasks\.arrow: cannot be opened: ENOENT/,
    ],
    [
      'a torn table',
      (path) => {
        truncateSync(join(path, 'syscalls.arrow'), 1000);
      },
      /syscalls\.arrow, byte 1000: the file is torn/,
    ],
    [
      'a changed byte',
      (path) => {
        const file = join(path, 'every_type.arrow');
        const bytes = readFileSync(file);
        bytes[bytes.length >> 1] ^= 1;
        writeFileSync(file, bytes);
      },
      /every_type\.arrow, byte \d+: .*corrupt/,
    ],
    [
      'another hash in the manifest',
      (path) => {
        editManifest(path, ({ tables }) => {
          tables['ledger'].batches[0].sha256 = 'a'.repeat(64);
        });
      },
      /manifest\.json: the hash chain of ledger breaks at batch 0/,
    ],
    [
      'another row count in the manifest',
      (path) => {
        editManifest(path, ({ tables }) => {
          tables['ledger'].rows++;
        });
      },
      /manifest\.json: ledger has \d+ rows, not \d+/,
    ],
    [
      'a table of another name',
      (path) => {
        const bytes = readFileSync(join(path, 'symbols.arrow'));
        writeFileSync(join(path, 'tasks.arrow'), bytes);
      },
      /tasks\.arrow: holds the table symbols/,
    ],
    [
      'a manifest of a later version',
      (path) => {
        editManifest(path, (manifest) => {
          (manifest as { formatVersion: number }).formatVersion = 2;
        });
      },
      /format version 2, not 1/,
    ],
    [
      'a manifest that names a file outside',
      (path) => {
        editManifest(path, ({ tables }) => {
          tables['../other'] = tables['tasks'];
        });
      },
      /manifest\.json: tables/,
    ],
    [
      'a manifest that is no JSON',
      (path) => {
        writeFileSync(join(path, MANIFEST_FILE), '{"formatVersion": 1,');
      },
      /manifest\.json: no valid JSON/,
    ],
    [
      'a manifest that is missing',
      (path) => {
        rmSync(join(path, MANIFEST_FILE));
      },
      /no manifest\.json.*--recover/,
    ],
  ];

  it.each(damages)('describes %s', async (_, damage, message) => {
    const path = scratch('damaged');
    rmSync(path, { recursive: true, force: true });
    await writeSyntheticRun(path);
    damage(path);
    const error: unknown = await (async () => {
      await verifyRun(openRun(path));
    })().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RecordingError);
    expect((error as RecordingError).message).toMatch(message);
  });

  it('describes a path that is no run', () => {
    expect(() => openRun(scratch('nowhere'))).toThrow(/no such run directory/);
    mkdirSync(scratch('bare'));
    expect(() => openRun(scratch('bare'))).toThrow(/not a run/);
  });

  it('gives back the rows', async () => {
    const path = scratch('rows');
    await writeSyntheticRun(path);
    const table = await openTable(openRun(path), 'syscalls');
    expect(table.readRow(0, 1)).toEqual({
      tick: 65_152n,
      cpu: 0,
      tid: 1,
      dur: 384n,
      nr: 1,
      name: 'clock_gettime',
      ret: 1n,
    });
    expect(table.readRow(0, 9)).toMatchObject({ ret: -11n });
    table.close();
    expect(existsSync(join(path, 'host.json'))).toBe(true);
  });
});
