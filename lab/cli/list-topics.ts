/** What `lab list` can show: each topic reads the registry that the rest of the lab uses. */
import type { TableSpec } from '../../machine/core/trace/event-table.ts';
import type { Parameter } from '../../workloads/lib/parameters.ts';
import type { TableColumn } from './output.ts';

type Row = readonly (string | number)[];

export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly columns: readonly TableColumn[];
  /** The rows, one cell per column. Loads the registry only now. */
  readonly load: () => Promise<readonly Row[]>;
}

const loadCatalogue = async () => import('../../machine/board/catalogue.ts');

async function workloads(): Promise<Row[]> {
  const { WORKLOADS } = await import('../../workloads/registry.ts');
  return WORKLOADS.flatMap(({ name, summary, parameters }) => [
    [name, '', '', '', summary],
    ...Object.entries(parameters).map(([parameter, declared]) => [
      name,
      parameter,
      String(declared.default),
      valuesOf(declared),
      declared.description,
    ]),
  ]);
}

function valuesOf(parameter: Parameter): string {
  return parameter.type === 'choice'
    ? parameter.choices.join(', ')
    : `${parameter.min}..${parameter.max}`;
}

async function boards(): Promise<Row[]> {
  const { BOARDS } = await import('../../machine/board/boards.ts');
  return BOARDS.map(({ name, cpus, core, description, validation }) => [
    name,
    cpus,
    core.coreMHz,
    description,
    validation,
  ]);
}

async function kernelWords(): Promise<Row[]> {
  const words = (await loadCatalogue()).kernelWords();
  return words.map(({ word, values, support, meaning, effect, ...rest }) => [
    word,
    values.join(', '),
    rest.default,
    support,
    meaning,
    effect,
  ]);
}

async function events(): Promise<Row[]> {
  const { declaredTables, traceTables } = await loadCatalogue();
  const row = ({ name, comment, columns }: TableSpec, recorded: string): Row => [
    name,
    recorded,
    columns.map((column) => column.name).join(', '),
    comment,
  ];
  return [
    ...traceTables().map((table) => row(table, table.default ? 'always' : 'with --events')),
    ...declaredTables().map((table) => row(table, 'not yet')),
  ];
}

async function syscalls(): Promise<Row[]> {
  const calls = (await loadCatalogue()).systemCalls();
  return calls.map(({ number, name, support, omits }) => [number, name, support, omits]);
}

async function sqlViews(): Promise<Row[]> {
  const { SQL_MODULES } = await import('../query/stdlib.ts');
  return SQL_MODULES.map(({ name, needs, comment }) => [name, needs.join(', '), comment]);
}

const left = (...titles: string[]): TableColumn[] => titles.map((title) => ({ title }));

export const TOPICS: readonly Topic[] = [
  {
    name: 'workloads',
    summary: 'the built-in workloads and their parameters (--param)',
    columns: left('name', 'parameter', 'default', 'values', 'description'),
    load: workloads,
  },
  {
    name: 'boards',
    summary: 'the machines, and how well each is validated (--board)',
    columns: [
      { title: 'name' },
      { title: 'cpus', align: 'right' },
      { title: 'MHz', align: 'right' },
      ...left('description', 'validation'),
    ],
    load: boards,
  },
  {
    name: 'kernel',
    summary: "the words that configure the kernel, all Linux's own (--kernel)",
    columns: left('word', 'values', 'default', 'support', 'meaning', 'effect'),
    load: kernelWords,
  },
  {
    name: 'events',
    summary: 'the tables that a run records (--events)',
    columns: left('name', 'recorded', 'columns', 'description'),
    load: events,
  },
  {
    name: 'syscalls',
    summary: 'the system calls of the guest, and how far each is modelled',
    columns: [{ title: 'nr', align: 'right' }, ...left('name', 'support', 'omits')],
    load: syscalls,
  },
  {
    name: 'sql',
    summary: 'the views of the SQL library (lab query)',
    columns: left('view', 'needs', 'description'),
    load: sqlViews,
  },
];
