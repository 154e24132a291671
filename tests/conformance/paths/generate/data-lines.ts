/**
 * Makes generated/function-data.ts: how many cache lines of data each kernel function has to itself.
 *
 * The counted paths say how many distinct lines an operation touches, and how many each function
 * touches, but not which of these it shares with others. So the lines that a function adds beyond the
 * objects that the model names are estimated: x(f) >= 0, whole numbers, such that for each counted
 * operation the sum over its functions makes up what the model's named lines leave of the real number,
 * with the smallest relative errors, and such that x(f) stays near a share of the lines that f was
 * seen to touch. The share is the one that fits best over all operations; functions outside the
 * operations that can be run get it too. The estimate is by function, never by operation.
 *
 *   npx tsx tests/conformance/paths/generate/data-lines.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { countOperation } from '../../../../lab/validate/paths/count.ts';
import { OPERATIONS } from '../../../../lab/validate/paths/paths.ts';
import { parseCsv } from '../../../../lab/validate/csv.ts';
import { OWN_DATA_LINES } from '../../../../machine/linux/arch/x86/model/generated/function-data.ts';

const DATA = 'datasets/linux-6.1-paths';
const TARGET = 'machine/linux/arch/x86/model/generated/function-data.ts';
/** How much a function's distance from its prior weighs against an operation's relative error. */
const PRIOR_WEIGHT = 0.0004;
const ROUNDS = 40;
/** Operations that move whole pages are about the pages. */
const LINES_MAX = 1200;

interface Sample {
  readonly name: string;
  readonly real: number;
  /** Lines of the objects that the model names. */
  readonly named: number;
  readonly functions: readonly string[];
}

const baseName = (name: string): string =>
  name.replace(/\.(part|isra|constprop|cold)\.?\d*/g, '').replaceAll('.', '_');

/** The fewest lines that a function was seen to touch when called once. */
function seenLines(): Map<string, number> {
  const text = gunzipSync(readFileSync(`${DATA}/functions-off.csv.gz`)).toString();
  const seen = new Map<string, number>();
  for (const row of parseCsv(text)) {
    if (row['calls'] !== '1') continue;
    const name = baseName(row['function'] ?? '');
    const lines = Number(row['data_lines']);
    seen.set(name, Math.min(seen.get(name) ?? Infinity, lines));
  }
  return seen;
}

function samples(): Sample[] {
  const reference = new Map(
    parseCsv(readFileSync(`${DATA}/summary.csv`, 'utf8')).map((row) => [row['op'], row]),
  );
  return OPERATIONS.flatMap((operation) => {
    const real = Number(reference.get(operation.name)?.['data_lines'] ?? NaN);
    if (!(real < LINES_MAX)) return [];
    const count = countOperation(operation, 'off');
    if ('reason' in count) return [];
    const instructions = Number(reference.get(operation.name)?.['kernel_insns_off']);
    // An operation that the model does otherwise says nothing about its functions.
    if (Math.abs(count.instructions / instructions - 1) > 0.2) return [];
    const functions = [...new Set(count.functions)];
    const own = functions.reduce((sum, fn) => sum + (OWN_DATA_LINES[fn] ?? 0), 0);
    return [{ name: operation.name, real, named: count.dataLines - own, functions }];
  });
}

function main(): void {
  const seen = seenLines();
  const all = samples();
  const share = bestShare(all, seen);
  const prior = (fn: string): number => share * Math.max(0, (seen.get(fn) ?? 1) - 1);
  const fitted = fit(all, prior, seen);
  const lines = new Map<string, number>();
  for (const fn of seen.keys()) {
    const own = fitted.get(fn) ?? Math.round(prior(fn));
    if (own > 0) lines.set(fn, own);
  }
  write(lines);
  report(all, lines, share);
}

/** The share of the lines beyond the first that leaves the smallest median error. */
function bestShare(all: readonly Sample[], seen: ReadonlyMap<string, number>): number {
  let best = { share: 0, error: Infinity };
  for (let share = 0; share <= 1; share += 0.01) {
    const errors = all
      .map(({ real, named, functions }) => {
        const own = functions.reduce((sum, fn) => sum + Math.max(0, (seen.get(fn) ?? 1) - 1), 0);
        return Math.abs((named + share * own) / real - 1);
      })
      .sort((a, b) => a - b);
    const error = errors[errors.length >> 1] ?? Infinity;
    if (error < best.error) best = { share, error };
  }
  return best.share;
}

/** Whole numbers by coordinate descent. */
function fit(
  all: readonly Sample[],
  prior: (fn: string) => number,
  seen: ReadonlyMap<string, number>,
): Map<string, number> {
  const users = new Map<string, number[]>();
  all.forEach(({ functions }, i) => {
    for (const fn of functions) users.set(fn, [...(users.get(fn) ?? []), i]);
  });
  const own = new Map([...users.keys()].map((fn) => [fn, Math.round(prior(fn))]));
  const sums = all.map(
    ({ named, functions }) => named + functions.reduce((sum, fn) => sum + (own.get(fn) ?? 0), 0),
  );
  const loss = (i: number, change: number): number => {
    const { real } = all[i];
    return ((sums[i] + change) / real - 1) ** 2;
  };
  for (let round = 0; round < ROUNDS; round++) {
    let changed = false;
    for (const [fn, indices] of users) {
      const now = own.get(fn) ?? 0;
      const cost = (change: number): number =>
        indices.reduce((sum, i) => sum + loss(i, change), 0) +
        PRIOR_WEIGHT * (now + change - prior(fn)) ** 2;
      const most = Math.max(1, seen.get(fn) ?? 1);
      const moves = [1, -1].filter((change) => now + change >= 0 && now + change <= most);
      const move = moves.find((change) => cost(change) < cost(0) - 1e-12);
      if (move === undefined) continue;
      own.set(fn, now + move);
      for (const i of indices) sums[i] = sums[i] + move;
      changed = true;
    }
    if (!changed) break;
  }
  return own;
}

function write(lines: ReadonlyMap<string, number>): void {
  const text = readFileSync(TARGET, 'utf8');
  const head = text.slice(0, text.indexOf('export const'));
  const rows = [...lines]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([fn, own]) => `  ${fn}: ${own},`);
  writeFileSync(
    TARGET,
    `${head}export const OWN_DATA_LINES: Readonly<Record<string, number>> = {\n${rows.join('\n')}\n};\n`,
  );
}

function report(all: readonly Sample[], lines: ReadonlyMap<string, number>, share: number): void {
  const errors = all.map(({ name, real, named, functions }) => {
    const own = functions.reduce((sum, fn) => sum + (lines.get(fn) ?? 0), 0);
    return { name, error: (named + own) / real - 1 };
  });
  errors.sort((a, b) => Math.abs(a.error) - Math.abs(b.error));
  const at = (q: number): string => {
    const { name, error } = errors[Math.ceil(errors.length * q) - 1] ?? { name: '', error: NaN };
    return `${(error * 100).toFixed(1)}% (${name})`;
  };
  process.stdout.write(
    `${errors.length} operations; share ${share.toFixed(2)}; median ${at(0.5)}, p90 ${at(0.9)}\n`,
  );
}

main();
