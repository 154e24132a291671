/**
 * What commands print: aligned tables and JSON on stdout, progress on stderr when a person watches.
 */
import process from 'node:process';
import picocolors from 'picocolors';

/** Colour for people only: a terminal, and no NO_COLOR (https://no-color.org). FORCE_COLOR wins. */
export function wantsColour(
  environment: NodeJS.ProcessEnv = process.env,
  isTerminal: boolean = process.stdout.isTTY,
): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = environment;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '0') return true;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  return isTerminal && TERM !== 'dumb';
}

export const colour = picocolors.createColors(wantsColour());

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Prints `value` as JSON. Integers beyond 2^53 become strings, which lose nothing. */
export function printJson(value: unknown): void {
  const exact = (_key: string, item: unknown): unknown =>
    typeof item === 'bigint' ? exactInteger(item) : item;
  printLine(JSON.stringify(value, exact, 2));
}

function exactInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

export interface TableColumn {
  readonly title: string;
  /** Numbers line up on the right. */
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/** An aligned table: a title line and one line per row, without trailing blanks. */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(visibleWidth(title), ...rows.map((row) => visibleWidth(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => pad(cells[index] ?? '', widths[index] ?? 0, align ?? 'left'))
      .join(GAP)
      .trimEnd();
  const title = line(columns.map((column) => column.title));
  return [colour.bold(title), ...rows.map(line)].join('\n');
}

const COLOUR_CODES = /\u001b\[[0-9;]*m/g;

function visibleWidth(text: string): number {
  return text.replace(COLOUR_CODES, '').length;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const blanks = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return align === 'right' ? blanks + text : text + blanks;
}

/** `1234567.891` with 1 digit -> `1,234,567.9`: the same on every host, whatever its locale. */
export function formatNumber(value: number | bigint, digits = 0): string {
  const text = typeof value === 'bigint' ? value.toString() : value.toFixed(digits);
  const [whole = '', fraction] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** One line on stderr that is overwritten as work goes on; silent unless stderr is a terminal. */
export class Progress {
  private shown = false;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  show(text: string): void {
    if (!this.stream.isTTY) return;
    this.stream.write(`\r\u001b[K${text}`);
    this.shown = true;
  }

  clear(): void {
    if (!this.shown) return;
    this.stream.write('\r\u001b[K');
    this.shown = false;
  }
}
