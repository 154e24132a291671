/**
 * A query session: an in-memory database whose views read recorded runs, and that can reach nothing
 * else: no files, no network, no settings. Only run() and stream() are used: the start*() calls of
 * this version deadlock with table functions written in JavaScript.
 */
import { DuckDBInstance, type DuckDBConnection, StatementType } from '@duckdb/node-api';
import { closest, distance } from 'fastest-levenshtein';
import type { ArrowTableFile } from '../recording/arrow-reader.ts';
import { openOrRecoverTable, openRun, openTable, type RecordedRun } from '../recording/read-run.ts';
import type { RecoveryReport } from '../recording/recover.ts';
import { describeRuns } from './runs-view.ts';
import { QueryError, QueryInterrupted, queryErrorFrom } from './query-error.ts';
import { QueryResult } from './query-result.ts';
import { quoteString } from './sql-text.ts';
import { SQL_MODULES, type SqlModule } from './stdlib.ts';
import { registerTable, type ScanProgress } from './table-function.ts';
import { commentStatements, viewOf, type ViewDefinition, type ViewSource } from './views.ts';

export interface SessionOptions {
  /** Reads what is whole of torn tables and unfinished runs. */
  readonly recover?: boolean;
}

/** Before anything of the user runs: in this order, since the last locks the others. */
const LOCKDOWN = [
  // Large sorts stay in memory: nothing is ever written to a disk.
  "SET temp_directory = ''",
  'SET autoinstall_known_extensions = false',
  'SET autoload_known_extensions = false',
  'SET allow_community_extensions = false',
  'SET enable_external_access = false',
  // Errors then state the position in the text.
  'SET errors_as_json = true',
  'SET lock_configuration = true',
];

const ONE_SELECT = 'give one SELECT statement: a query reads the run and changes nothing';

interface OpenedTable {
  readonly run: RecordedRun;
  readonly label: string;
  readonly name: string;
  readonly table: ArrowTableFile;
}

/** Clock of the runs whose manifest is lost: cycles and nanoseconds are then the same. */
const UNKNOWN_CORE_MHZ = 1000;

export class QuerySession {
  /** What recovering left out; empty for whole runs. */
  readonly reports: RecoveryReport[] = [];
  readonly progress: ScanProgress = { batches: 0 };
  private readonly opened: OpenedTable[] = [];
  private scanError: Error | null = null;
  /** Modules left out, and what to do about each. */
  private readonly absent = new Map<string, string>();
  private readonly viewNames: string[] = [];

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  /** Opens the runs. Throws RecordingError. */
  static async open(paths: readonly string[], options: SessionOptions = {}): Promise<QuerySession> {
    const recover = options.recover ?? false;
    const runs = paths.map((path) => openRun(path, { recover }));
    const instance = await DuckDBInstance.create(':memory:');
    const session = new QuerySession(instance, await instance.connect());
    try {
      await session.openTables(runs, recover);
      await session.createViews(runs);
      for (const statement of LOCKDOWN) await session.connection.run(statement);
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  /**
   * Starts a query. Throws QueryError when it is not one valid SELECT; fetching rows may throw that,
   * RecordingError (a corrupt column) and QueryInterrupted.
   */
  async query(sql: string): Promise<QueryResult> {
    this.scanError = null;
    const failure = (error: unknown): Error => this.failure(error, sql);
    try {
      await this.checkOneSelect(sql);
      return new QueryResult(await this.connection.stream(sql), failure);
    } catch (error) {
      throw failure(error);
    }
  }

  /** Stops the query that runs; its caller gets QueryInterrupted. */
  interrupt(): void {
    this.connection.interrupt();
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
    for (const { table } of this.opened.splice(0)) table.close();
  }

  private failure(error: unknown, sql: string): Error {
    if (error instanceof QueryError || error instanceof QueryInterrupted) return error;
    if (this.scanError !== null) return this.scanError;
    return queryErrorFrom(error, sql, (name) => this.whyMissing(name));
  }

  private async checkOneSelect(sql: string): Promise<void> {
    // DuckDB cannot extract statements from a text that has none.
    const bare = sql.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').replaceAll(/[\s;]/g, '');
    if (bare === '') throw new QueryError('the query is empty', null, ONE_SELECT);
    const statements = await this.connection.extractStatements(sql);
    if (statements.count !== 1) {
      const found = `${String(statements.count)} statements`;
      throw new QueryError(found, null, ONE_SELECT);
    }
    const prepared = await statements.prepare(0);
    const { statementType, parameterCount } = prepared;
    prepared.destroySync();
    if (statementType !== StatementType.SELECT) {
      const kind = StatementType[statementType].replaceAll('_', ' ');
      throw new QueryError(`a statement of type ${kind}`, null, ONE_SELECT);
    }
    if (parameterCount > 0) {
      throw new QueryError('a query with parameters', null, 'write the values into the query');
    }
  }

  private whyMissing(name: string): string {
    const reason = this.absent.get(name);
    if (reason !== undefined) return reason;
    if (SQL_MODULES.some(({ needs }) => needs.includes(name))) {
      return `the run lacks it; record it with 'lab run --events ${name}'`;
    }
    const near = closest(name, this.viewNames);
    const isNear = distance(name, near) <= Math.max(2, name.length / 3);
    const meant = isNear ? `did you mean ${near}? ` : '';
    return `${meant}the tables are ${this.viewNames.join(', ')}`;
  }

  private async openTables(runs: readonly RecordedRun[], recover: boolean): Promise<void> {
    const labels = labelsOf(runs);
    for (const [i, run] of runs.entries()) {
      for (const name of run.tableNames) {
        const label = labels[i] ?? run.name;
        if (recover) {
          const { table, report } = await openOrRecoverTable(run, name);
          if (report !== null) this.reports.push(report);
          this.opened.push({ run, label, name, table });
        } else {
          this.opened.push({ run, label, name, table: await openTable(run, name) });
        }
      }
    }
  }

  private sources(): Map<string, ViewSource[]> {
    const scansByRun = new Map<string, Map<string, string>>();
    const byTable = new Map<string, ViewSource[]>();
    const onError = (error: Error): void => {
      this.scanError = error;
    };
    for (const { run, label, name, table } of this.opened) {
      const scan = `${label}/${name}`;
      registerTable(this.connection, scan, table, { progress: this.progress, onError });
      const scans = scansByRun.get(label) ?? new Map<string, string>();
      scansByRun.set(label, scans.set(name, scan));
      const coreMHz = run.manifest?.experiment.board.core.coreMHz ?? UNKNOWN_CORE_MHZ;
      const source = { run: label, scan, spec: table.spec, coreMHz, scans };
      byTable.set(name, [...(byTable.get(name) ?? []), source]);
    }
    return byTable;
  }

  private async createViews(runs: readonly RecordedRun[]): Promise<void> {
    const labels = labelsOf(runs);
    await this.createView(describeRuns(runs.map((run, i) => ({ run, label: labels[i] ?? '' }))));
    const sources = this.sources();
    for (const [name, ofTable] of sources) await this.createView(viewOf(name, ofTable));
    for (const module of SQL_MODULES) await this.createModule(module, sources);
  }

  private async createModule(
    module: SqlModule,
    sources: ReadonlyMap<string, readonly ViewSource[]>,
  ): Promise<void> {
    const lacks = module.needs.find((table) => !sources.has(table));
    if (lacks !== undefined) {
      const remedy = `record it with 'lab run --events ${lacks}'`;
      this.absent.set(module.name, `it reads the table ${lacks}, which the run lacks; ${remedy}`);
      return;
    }
    try {
      await this.createView({ ...module, columns: columnComments(module) });
    } catch {
      // Recovered runs may lack tables that others are joined with, and with them columns.
      const tables = module.needs.join(', ');
      this.absent.set(module.name, `the run lacks columns that it reads from ${tables}`);
    }
  }

  private async createView(view: ViewDefinition): Promise<void> {
    await this.connection.run(view.sql);
    this.viewNames.push(view.name);
    await this.connection.run(commentStatements(view).join(';\n'));
  }
}

const columnComments = (module: SqlModule): ViewDefinition['columns'] =>
  [...module.columns].map(([name, comment]) => ({ name, comment }));

/** Values of the `run` column: the directory's name, or its path where two have the same name. */
export function labelsOf(runs: readonly Pick<RecordedRun, 'name' | 'path'>[]): string[] {
  const named = runs.map(({ name, path }) =>
    runs.filter((other) => other.name === name).length > 1 ? path : name,
  );
  // The same run twice is asked for twice.
  return named.map((label, i) => {
    const before = named.slice(0, i).filter((other) => other === label).length;
    return before === 0 ? label : `${label}#${String(before + 1)}`;
  });
}

/** SQL that lists every table and view with its columns and comments. */
export const TABLES_SQL = `
  SELECT c.table_name AS "table", v.comment AS table_comment, c.column_name AS "column",
    CASE WHEN c.data_type LIKE 'ENUM%' THEN 'ENUM' ELSE c.data_type END AS type, c.comment
  FROM duckdb_columns() c JOIN duckdb_views() v ON v.view_name = c.table_name
  WHERE NOT c.internal AND NOT v.internal AND c.schema_name = ${quoteString('main')}
  ORDER BY c.table_name, c.column_index`;
