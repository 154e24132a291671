/** How `lab validate paths` prints its table. */
import { colour, formatNumber, formatTable, type TableColumn } from '../../cli/output.ts';
import { errorOf, type Measure, type PathReport, type PathRow, THRESHOLDS } from './paths.ts';

const right = (title: string): TableColumn => ({ title, align: 'right' });

const percent = (share: number | null): string =>
  share === null ? '-' : `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)}%`;

const unsigned = (share: number): string => `${(share * 100).toFixed(1)}%`;

const TITLES: Readonly<Record<Measure, string>> = {
  instructions: 'instructions',
  branches: 'conditional branches',
  dataLines: 'data lines',
};

const NOTES = `Retired kernel instructions of one warmed operation: Linux 6.1 counted them on an emulator, the kernel model
adds up what its functions declare for the branches they take. Branches come from each function's share in the
counted paths; data lines are distinct 64-byte lines of kernel memory. Both were counted in boot 'off' alone. Where
the real kernel has no single count (slab refills, batches), the data holds the most frequent one.`;

export function pathsText(report: PathReport): string {
  const missing = report.rows.filter(({ model }) => model === null);
  const sections = [
    colour.bold(`the kernel model against datasets/${report.dataset}`),
    rowTable(report.rows.filter(({ model }) => model !== null)),
    ...(missing.length === 0 ? [] : [missingTable(missing)]),
    `not tried: ${report.untried.join(' ')}`,
    summaryTable(report),
    NOTES,
    report.ok ? colour.green('within the thresholds') : colour.red('beyond the thresholds'),
  ];
  return sections.join('\n\n');
}

function rowTable(rows: readonly PathRow[]): string {
  return formatTable(
    [
      { title: 'operation' },
      { title: 'boot' },
      right('real'),
      right('model'),
      right('error'),
      right('branches'),
      right('error'),
      right('data lines'),
      right('error'),
    ],
    rows.map((row) => {
      const { operation, boot, real, model } = row;
      const isOff = boot === 'off';
      return [
        operation,
        boot,
        formatNumber(real.instructions, 0),
        formatNumber(model?.instructions ?? NaN, 0),
        percent(errorOf(row, 'instructions')),
        isOff ? formatNumber(model?.branches ?? NaN, 0) : '',
        isOff ? percent(errorOf(row, 'branches')) : '',
        isOff ? formatNumber(model?.dataLines ?? NaN, 0) : '',
        isOff ? percent(errorOf(row, 'dataLines')) : '',
      ];
    }),
  );
}

function missingTable(rows: readonly PathRow[]): string {
  return formatTable(
    [{ title: 'operation without a figure' }, { title: 'boot' }, { title: 'why' }],
    rows.map(({ operation, boot, reason }) => [operation, boot, reason]),
  );
}

function summaryTable({ summaries }: PathReport): string {
  return formatTable(
    [
      { title: 'count' },
      { title: 'boot' },
      right('operations'),
      right('median error'),
      right('p90 error'),
      right('allowed'),
      { title: '' },
    ],
    summaries.map(({ measure, boot, rows, medianError, p90Error, passes }) => [
      TITLES[measure],
      boot,
      String(rows),
      unsigned(medianError),
      unsigned(p90Error),
      `${unsigned(THRESHOLDS[measure].median)} / ${unsigned(THRESHOLDS[measure].p90)}`,
      passes ? colour.green('ok') : colour.red('over'),
    ]),
  );
}
