/**
 * The views of a query session: one for each table, over all runs, with a `run` column, times in
 * cycles and nanoseconds of the run's board beside the exact ticks, and names beside symbol ids.
 */
import type { ColumnSpec, TableSpec } from '../../machine/core/trace/event-table.ts';
import { TICKS_PER_CYCLE } from '../../machine/core/units.ts';
import { quoteName, quoteString } from './sql-text.ts';

/** A table of one run, as the views see it. */
export interface ViewSource {
  /** Value of the `run` column. */
  readonly run: string;
  /** Name of the table function that yields its rows. */
  readonly scan: string;
  readonly spec: TableSpec;
  readonly coreMHz: number;
  /** Table functions of the same run, by table: for joins. */
  readonly scans: ReadonlyMap<string, string>;
}

export interface ViewColumn {
  readonly name: string;
  readonly comment: string;
  /** The expression over `t`, the table, for one run. */
  readonly expression: (source: ViewSource) => string;
}

export interface ViewDefinition {
  readonly name: string;
  readonly comment: string;
  readonly sql: string;
  readonly columns: readonly Pick<ViewColumn, 'name' | 'comment'>[];
}

const nsPerTick = ({ coreMHz }: ViewSource): string =>
  (1000 / (TICKS_PER_CYCLE * coreMHz)).toExponential();

/** What a column of ticks becomes: names for the ticks, the cycles and the nanoseconds. */
interface TimeNames {
  readonly ticks: string;
  readonly cycles: string;
  readonly ns: string;
  /** Slices and instants are whole nanoseconds, as in Perfetto; sums are exact. */
  readonly wholeNs: boolean;
}

const TIME_NAMES: Readonly<Record<string, TimeNames>> = {
  tick: { ticks: 'tick', cycles: 'cycle', ns: 'ts', wholeNs: true },
  dur: { ticks: 'dur_ticks', cycles: 'dur_cycles', ns: 'dur', wholeNs: true },
  ticks: { ticks: 'ticks', cycles: 'cycles', ns: 'ns', wholeNs: false },
};

function timeColumns(column: ColumnSpec): ViewColumn[] {
  const { name } = column;
  const names = TIME_NAMES[name] ?? {
    ticks: name,
    cycles: `${name}_cycles`,
    ns: `${name}_ns`,
    wholeNs: false,
  };
  const raw = `t.${quoteName(name)}`;
  const said = column.comment.replace(/\.$/, '');
  const ns = (source: ViewSource): string => {
    const exact = `${raw} * ${nsPerTick(source)}`;
    return names.wholeNs ? `CAST(${exact} AS BIGINT)` : exact;
  };
  return [
    { name: names.ns, comment: `${said}, in nanoseconds.`, expression: ns },
    {
      name: names.cycles,
      comment: `${said}, in core cycles.`,
      expression: () => `${raw} / ${String(TICKS_PER_CYCLE)}`,
    },
    {
      name: names.ticks,
      comment: `${said}, in ticks of 1/${String(TICKS_PER_CYCLE)} cycle: exact.`,
      expression: () => raw,
    },
  ];
}

/** Tables whose dictionaries are what happened to occur in the run: text, not an enumeration. */
const OPEN_VOCABULARY: ReadonlySet<string> = new Set(['symbols', 'tasks', 'windows']);

function plainColumn(column: ColumnSpec, asText: boolean): ViewColumn {
  const raw = `t.${quoteName(column.name)}`;
  const expression = (): string => (asText ? `CAST(${raw} AS VARCHAR)` : raw);
  return { name: column.name, comment: column.comment, expression };
}

/** Columns that come from another table of the run. */
interface JoinedColumn {
  readonly needs: readonly string[];
  readonly table: string;
  readonly join: (scan: string) => string;
  readonly columns: readonly ViewColumn[];
}

const JOINS: readonly JoinedColumn[] = [
  {
    needs: ['symbol_id'],
    table: 'symbols',
    join: (scan) => `LEFT JOIN ${scan}() s ON s.symbol_id = t.symbol_id`,
    columns: [
      {
        name: 'symbol',
        comment: 'Name of the function.',
        expression: () => 'CAST(s.name AS VARCHAR)',
      },
      {
        name: 'module',
        comment: '`vmlinux`, `vdso`, or the path of the executable.',
        expression: () => 'CAST(s.module AS VARCHAR)',
      },
    ],
  },
  {
    needs: ['window_id', 'cpu'],
    table: 'windows',
    join: (scan) => `LEFT JOIN ${scan}() w ON w.window_id = t.window_id AND w.cpu = t.cpu`,
    columns: [
      {
        name: 'phase',
        comment: 'Name of the window.',
        expression: () => 'CAST(w.phase AS VARCHAR)',
      },
    ],
  },
];

/** What the view joins: what its columns ask for and every run has (a recovered one may not). */
function joinsOf(sources: readonly ViewSource[]): JoinedColumn[] {
  return JOINS.filter(({ table, needs }) =>
    sources.every(({ spec, scans }) => {
      const names = new Set(spec.columns.map((column) => column.name));
      return table !== spec.name && scans.has(table) && needs.every((name) => names.has(name));
    }),
  );
}

const RUN_COLUMN: ViewColumn = {
  name: 'run',
  comment: 'Name of the run.',
  expression: ({ run }) => quoteString(run),
};

const sameValues = (a: ColumnSpec, b: ColumnSpec | undefined): boolean =>
  a.values?.join('\0') === b?.values?.join('\0');

function columnsOf(name: string, sources: readonly ViewSource[]): ViewColumn[] {
  const [first] = sources;
  if (first === undefined) return [];
  const columns = first.spec.columns.flatMap((column) => {
    if (column.unit === 'ticks') return timeColumns(column);
    const differs = sources.some(
      ({ spec }) =>
        !sameValues(
          column,
          spec.columns.find((c) => c.name === column.name),
        ),
    );
    const asText = column.type === 'dictionary' && (differs || OPEN_VOCABULARY.has(name));
    return [plainColumn(column, asText)];
  });
  return [RUN_COLUMN, ...columns, ...joinsOf(sources).flatMap((join) => join.columns)];
}

/** The rows of one run: a SELECT over its table function. */
function selectOf(
  columns: readonly ViewColumn[],
  joins: readonly JoinedColumn[],
  source: ViewSource,
): string {
  const list = columns.map((c) => `  ${c.expression(source)} AS ${quoteName(c.name)}`).join(',\n');
  const joined = joins.map(({ table, join }) => join(quoteName(source.scans.get(table) ?? table)));
  return [`SELECT\n${list}\nFROM ${quoteName(source.scan)}() t`, ...joined].join('\n');
}

/** The view of one table over the runs that have it. Their columns must have the same names. */
export function viewOf(name: string, sources: readonly ViewSource[]): ViewDefinition {
  const columns = columnsOf(name, sources);
  const joins = joinsOf(sources);
  const body = sources.map((source) => selectOf(columns, joins, source)).join('\nUNION ALL\n');
  return {
    name,
    comment: sources[0]?.spec.comment ?? '',
    sql: `CREATE VIEW ${quoteName(name)} AS\n${body}`,
    columns,
  };
}

/** Statements that attach the comments, so that SQL itself can list them. */
export function commentStatements(
  view: Pick<ViewDefinition, 'name' | 'comment' | 'columns'>,
): string[] {
  const name = quoteName(view.name);
  return [
    `COMMENT ON VIEW ${name} IS ${quoteString(view.comment)}`,
    ...view.columns.map(
      (column) =>
        `COMMENT ON COLUMN ${name}.${quoteName(column.name)} IS ${quoteString(column.comment)}`,
    ),
  ];
}
