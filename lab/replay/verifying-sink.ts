/**
 * The sink of a replay: holds the digest of each batch against the manifest while the experiment
 * runs again, and keeps the first batch of each table that differs, so that its row can be found.
 */
import type { ColumnData, TableSpec, TraceSink } from '../../machine/core/trace/event-table.ts';
import { nextChain, schemaSha256 } from '../recording/batch-digest.ts';
import { openTable, type RecordedRun } from '../recording/read-run.ts';
import { storedBatch } from '../recording/stored-column.ts';
import type { BatchEntry, TableEntries, TableEntry } from '../recording/table-sink.ts';
import {
  type BatchRows,
  type Divergence,
  earliest,
  firstDifferingRow,
  liveRows,
  recordedRows,
  schemaDivergence,
} from './divergence.ts';

/** A copy of a live batch that is not the recorded one. */
interface KeptBatch {
  readonly spec: TableSpec;
  readonly batch: number;
  readonly rowsBefore: number;
  readonly rows: BatchRows;
}

interface Progress {
  readonly batches: BatchEntry[];
  rows: number;
  chain: string;
  schemaSha256: string;
}

export class VerifyingSink implements TraceSink {
  private readonly progress = new Map<string, Progress>();
  private readonly kept = new Map<string, KeptBatch>();

  /** `expected`: the manifest's tables. */
  constructor(private readonly expected: TableEntries) {}

  /** True as soon as any batch differed; the caller may then stop. */
  get hasDiverged(): boolean {
    return this.kept.size > 0;
  }

  open(spec: TableSpec): void {
    this.progressOf(spec);
  }

  write(spec: TableSpec, columns: readonly ColumnData[], rows: number): void {
    const progress = this.progressOf(spec);
    const batch = progress.batches.length;
    const rowsBefore = progress.rows;
    const { columnSha256: _, ...digest } = storedBatch(spec, columns, rows).digest;
    progress.chain = nextChain(progress.chain, digest.sha256);
    progress.batches.push({ ...digest, chain: progress.chain });
    progress.rows += rows;
    const entry = this.expected[spec.name];
    const isSame =
      entry?.schemaSha256 === progress.schemaSha256 &&
      entry.batches[batch]?.sha256 === digest.sha256;
    if (isSame || this.kept.has(spec.name)) return;
    const copies = columns.map((column) => column.slice());
    const live = liveRows(spec, copies, rows);
    this.kept.set(spec.name, { spec, batch, rowsBefore, rows: live });
  }

  /** What a manifest would state of the tables as replayed. */
  get entries(): TableEntries {
    const names = [...this.progress.keys()].sort();
    return Object.fromEntries(
      names.map((name): [string, TableEntry] => {
        const { batches, rows, schemaSha256: schema } = this.progress.get(name) as Progress;
        return [name, { rows, schemaSha256: schema, batches }];
      }),
    );
  }

  /**
   * After the replay's end: where it first parted from the recording, or null when all tables are
   * the same. Throws RecordingError when the recording itself cannot be read.
   */
  async divergence(run: RecordedRun): Promise<Divergence | null> {
    const divergences: Divergence[] = [];
    for (const name of Object.keys(this.expected)) {
      const found = await this.divergenceIn(run, name);
      if (found !== null) divergences.push(found);
    }
    for (const [name, { spec, rows }] of this.kept) {
      if (name in this.expected) continue;
      const place = { table: spec.name, batch: 0, rowsBefore: 0 };
      const nothing = { rows: 0, at: () => ({}) };
      const found = firstDifferingRow(place, nothing, rows);
      if (found !== null) divergences.push(found);
    }
    return earliest(divergences);
  }

  private progressOf(spec: TableSpec): Progress {
    const known = this.progress.get(spec.name);
    if (known !== undefined) return known;
    const schema = schemaSha256(spec);
    const fresh = { batches: [], rows: 0, chain: schema, schemaSha256: schema };
    this.progress.set(spec.name, fresh);
    return fresh;
  }

  private async divergenceIn(run: RecordedRun, name: string): Promise<Divergence | null> {
    const kept = this.kept.get(name);
    const replayed = this.progress.get(name)?.batches.length ?? 0;
    if (kept === undefined && replayed === this.expected[name]?.batches.length) return null;
    const table = await openTable(run, name);
    try {
      // Without a differing batch the replay ended early: the next recorded one is the first lost.
      const batch = kept?.batch ?? replayed;
      const before = table.batches.slice(0, batch).reduce((sum, { rows }) => sum + rows, 0);
      const place = { table: name, batch, rowsBefore: kept?.rowsBefore ?? before };
      const live = kept?.rows ?? { rows: 0, at: () => ({}) };
      const found = firstDifferingRow(place, recordedRows(table, batch), live);
      return found ?? (kept ? schemaDivergence(table.spec, kept.spec) : null);
    } finally {
      table.close();
    }
  }
}
