/** Functions of the kernel model that no counted path of the real kernel went through. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  modelledFunctions,
  type ModelledFunction,
} from '../../../machine/board/kernel-functions.ts';
import { formatNumber, formatTable } from '../../cli/output.ts';
import { parseCsv } from '../csv.ts';
import { datasetPath } from '../data-folder.ts';

const COUNTED_OFF = 'linux-6.1-paths/functions-off.csv.gz';
/** Functions that only the paths of other boots went through. */
const COUNTED_ELSEWHERE = 'linux-6.1-paths/functions-other-boots.csv';

/** How far the instructions of an uncounted function may be off, either way. */
const FACTOR = 2;

export interface AssumptionReport {
  readonly functions: number;
  /** Their instructions are an assumption, within `factor` either way. */
  readonly assumed: readonly ModelledFunction[];
  readonly factor: number;
}

/** The compiler's suffixes: parts of one function of the source. */
const SUFFIX = /\.(?:part|isra|constprop|cold).*/;

export function assumptions(): AssumptionReport {
  const off = gunzipSync(readFileSync(datasetPath(COUNTED_OFF))).toString('utf8');
  const elsewhere = readFileSync(datasetPath(COUNTED_ELSEWHERE), 'utf8');
  const counted = new Set(
    [...parseCsv(off), ...parseCsv(elsewhere)].map((row) =>
      (row['function'] ?? '').replace(SUFFIX, ''),
    ),
  );
  const functions = modelledFunctions();
  const assumed = functions.filter(({ name }) => !counted.has(name.replace(SUFFIX, '')));
  return { functions: functions.length, assumed, factor: FACTOR };
}

const NOTES = `The model charges these functions by the branches that it takes, as all others, but no counted operation of the real
kernel went through them: their instructions are assumed, from the size of their text and from counted functions like
them. Each may be wrong by the factor; other functions have counts of the real kernel for the branches counted.`;

export function assumptionsText({ functions, assumed, factor }: AssumptionReport): string {
  const rows = assumed.map(({ name, bytes, instructions }) => [
    name,
    formatNumber(bytes, 0),
    formatNumber(instructions, 0),
    `${formatNumber(instructions / factor, 0)} .. ${formatNumber(instructions * factor, 0)}`,
  ]);
  const table = formatTable(
    [
      { title: 'function' },
      { title: 'bytes', align: 'right' },
      { title: 'instructions', align: 'right' },
      { title: 'within', align: 'right' },
    ],
    rows,
  );
  return [
    `${assumed.length} of ${functions} modelled functions were never counted`,
    table,
    NOTES,
  ].join('\n\n');
}
