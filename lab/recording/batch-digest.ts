/**
 * Digests of recorded batches: what replay compares.
 *
 * They cover the columns' plain bytes, so a compressed and a plain recording of the same run agree.
 * column = sha256(bytes); batch = sha256(rows, tick range, columns); chain = sha256(previous chain,
 * batch), and the first link is the schema's digest, which covers names, types and dictionaries but
 * not comments: rewording a comment invalidates no recording.
 */
import { createHash } from 'node:crypto';
import type { TableSpec } from '../../machine/core/trace/event-table.ts';
import { FORMAT_VERSION } from './format.ts';

export interface BatchDigest {
  readonly rows: number;
  /** Least and greatest value of the `tick` column; null in tables without one. */
  readonly tickMin: number | null;
  readonly tickMax: number | null;
  readonly columnSha256: readonly string[];
  readonly sha256: string;
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function schemaSha256(spec: TableSpec): string {
  const columns = spec.columns.map(({ name, type, unit, values }) => [
    name,
    type,
    unit ?? null,
    values ?? null,
  ]);
  return sha256Hex(JSON.stringify([FORMAT_VERSION, spec.name, columns]));
}

export function batchSha256(batch: Omit<BatchDigest, 'sha256'>): string {
  const { rows, tickMin, tickMax, columnSha256 } = batch;
  return sha256Hex(JSON.stringify([rows, tickMin, tickMax, columnSha256]));
}

export function nextChain(previous: string, batch: string): string {
  return sha256Hex(`${previous}${batch}`);
}
