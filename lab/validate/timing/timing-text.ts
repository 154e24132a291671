/** How `lab validate timing` prints its table. */
import { colour, formatNumber, formatTable, type TableColumn } from '../../cli/output.ts';
import { THRESHOLDS } from './reference.ts';
import type { GroupSummary, TimingReport, TimingRow } from './timing.ts';

const right = (title: string): TableColumn => ({ title, align: 'right' });

const percent = (share: number | null): string =>
  share === null ? '-' : `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)}%`;

const unsigned = (share: number | null): string =>
  share === null ? '-' : `${(share * 100).toFixed(1)}%`;

const digits = (cycles: number): string => formatNumber(cycles, cycles < 1000 ? 2 : 0);

/** What the reader has to know about the comparison. */
const NOTES = `Times are TSC cycles per operation (2.596 GHz); an error is model / median - 1. The reference is one noisy
virtual machine, so that its median and its fastest round differ. Its kernel is Linux 6.18 with memory cgroups, PSI
and hardened usercopy; the kernel model follows paths counted on Linux 6.1 without them. bw_read_avx2 and bw_ntstore
are measured with 16-byte accesses, the widest of x86-64-v1; the groups below the kernel's do not decide.`;

export function timingText(report: TimingReport): string {
  const missing = report.rows.filter(({ model }) => model === null);
  const sections = [
    colour.bold(`${report.board} against datasets/${report.dataset}/measurements.csv`),
    rowTable(report.rows.filter(({ model }) => model !== null)),
    ...(missing.length === 0 ? [] : [missingTable(missing)]),
    groupTable(report.groups),
    NOTES,
    verdict(report),
  ];
  return sections.join('\n\n');
}

function rowTable(rows: readonly TimingRow[]): string {
  return formatTable(
    [
      { title: 'group' },
      { title: 'row' },
      right('median'),
      right('fastest'),
      right('model'),
      right('error'),
      right('of fastest'),
    ],
    rows.map(({ group, name, params, median, best, model, error, errorOfBest }) => [
      group,
      params === '' ? name : `${name} ${params}`,
      digits(median),
      digits(best),
      model === null ? '-' : digits(model),
      percent(error),
      percent(errorOfBest),
    ]),
  );
}

function missingTable(rows: readonly TimingRow[]): string {
  return formatTable(
    [{ title: 'group' }, { title: 'row without a figure' }, right('median'), { title: 'why' }],
    rows.map(({ group, name, params, median, reason }) => [
      group,
      params === '' ? name : `${name} ${params}`,
      digits(median),
      reason,
    ]),
  );
}

function groupTable(groups: readonly GroupSummary[]): string {
  return formatTable(
    [
      { title: 'group' },
      right('rows'),
      right('measured'),
      right('median error'),
      right('p90 error'),
      right('allowed'),
      { title: '' },
    ],
    groups.map(({ name, judged, measured, rows, medianError, p90Error, passes }) => [
      name,
      String(rows),
      String(measured),
      unsigned(medianError),
      unsigned(p90Error),
      `${unsigned(THRESHOLDS[judged].median)} / ${unsigned(THRESHOLDS[judged].p90)}`,
      measured === 0 ? '' : passes ? colour.green('ok') : colour.red('over'),
    ]),
  );
}

function verdict({ ok, groups }: TimingReport): string {
  const judged = groups.filter(({ name }) => name.startsWith('all '));
  const parts = judged.map(
    ({ name, medianError, p90Error }) =>
      `${name.slice('all '.length)} rows: median ${unsigned(medianError)}, p90 ${unsigned(p90Error)}`,
  );
  const text = `${ok ? 'within' : 'beyond'} the thresholds; ${parts.join('; ')}`;
  return ok ? colour.green(text) : colour.red(text);
}
