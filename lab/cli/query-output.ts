/** How `lab query` prints rows: an aligned table for people, JSON and CSV in full for programs. */
import { once } from 'node:events';
import process from 'node:process';
import type { Cell, QueryResult } from '../query/query-result.ts';
import { formatTable, printLine, type TableColumn } from './output.ts';

export type QueryFormat = 'table' | 'json' | 'csv';

/** A table is for reading; who wants more rows wants another format. */
const TABLE_ROWS_MAX = 1000;
const SIGNIFICANT_DIGITS = 10;
const NUMERIC = /INT|DOUBLE|FLOAT|DECIMAL/;

/** Writes and waits while the reader is slower than we are. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** What came out of guests must not steer the terminal. */
const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);

function tableCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(Number(cell.toPrecision(SIGNIFICANT_DIGITS)));
  if (typeof cell === 'object') return printable(JSON.stringify(cell));
  return printable(String(cell));
}

async function printTable(result: QueryResult): Promise<void> {
  const columns: TableColumn[] = result.columns.map(({ name, type }) => ({
    title: printable(name),
    align: NUMERIC.test(type) ? 'right' : 'left',
  }));
  const rows: string[][] = [];
  let cut = false;
  for await (const part of result.parts()) {
    rows.push(...part.map((row) => row.map(tableCell)));
    cut = rows.length > TABLE_ROWS_MAX;
    if (cut) break;
  }
  printLine(formatTable(columns, rows.slice(0, TABLE_ROWS_MAX)));
  if (cut) {
    process.stderr.write(`(the first ${TABLE_ROWS_MAX} rows; --csv and --json print all)\n`);
  }
}

/** Integers beyond 2^53 become strings, NaN and infinities null: as JSON has neither. */
function jsonCell(cell: Cell): unknown {
  if (typeof cell !== 'bigint') return cell;
  const number = Number(cell);
  return Number.isSafeInteger(number) ? number : cell.toString();
}

async function printJsonRows(result: QueryResult): Promise<void> {
  let before = '[\n';
  for await (const part of result.parts()) {
    const objects = part.map((row) =>
      JSON.stringify(
        Object.fromEntries(result.columns.map(({ name }, i) => [name, jsonCell(row[i] ?? null)])),
      ),
    );
    await write(`${before}${objects.join(',\n')}`);
    before = ',\n';
  }
  await write(before === '[\n' ? '[]\n' : '\n]\n');
}

/** RFC 4180, but for the line ends: those of Unix. */
function csvCell(cell: Cell): string {
  if (cell === null) return '';
  const text = typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function printCsv(result: QueryResult): Promise<void> {
  await write(`${result.columns.map(({ name }) => csvCell(name)).join(',')}\n`);
  for await (const part of result.parts()) {
    await write(part.map((row) => `${row.map(csvCell).join(',')}\n`).join(''));
  }
}

const PRINTERS: Readonly<Record<QueryFormat, (result: QueryResult) => Promise<void>>> = {
  table: printTable,
  json: printJsonRows,
  csv: printCsv,
};

export function printRows(result: QueryResult, format: QueryFormat): Promise<void> {
  return PRINTERS[format](result);
}
