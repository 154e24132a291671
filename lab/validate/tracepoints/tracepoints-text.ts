/** How `lab validate tracepoints` prints its table. */
import { colour, formatTable } from '../../cli/output.ts';
import type { Difference } from './differences.ts';
import type { TracepointReport, TracepointRow } from './tracepoints.ts';

const NOTES = `Tracepoints of one warmed operation, in order: '+read' enters a call, '-read' leaves it. The real kernel is 6.18 on
two CPUs; the model follows 6.1 and runs on one. 'missing' is in the real sequence alone, 'extra' in the model's;
the number says how many tracepoints of the real sequence come before.`;

export function tracepointsText(report: TracepointReport): string {
  const { rows, agreeing, wanted } = report;
  const verdict = `${agreeing} of ${rows.length} operations have the real kernel's sequence (wanted: ${wanted})`;
  return [
    colour.bold(`tracepoints of the kernel model against datasets/${report.dataset}`),
    formatTable(
      [
        { title: 'operation' },
        { title: 'tracepoints', align: 'right' },
        { title: '' },
        { title: 'differences' },
        { title: 'not compared' },
      ],
      rows.map(tableRow),
    ),
    formatTable(
      [{ title: 'not compared' }, { title: 'why' }],
      Object.entries(report.notModelled).map(([name, why]) => [name, why]),
    ),
    `not tried: ${report.untried.join(' ')}`,
    NOTES,
    report.ok ? colour.green(verdict) : colour.red(verdict),
  ].join('\n\n');
}

const MANY = 6;

function tableRow(row: TracepointRow): string[] {
  const { operation, real, differences, leftOut, agrees } = row;
  const shown = differences.slice(0, MANY).map(describe);
  if (differences.length > MANY) shown.push(`and ${differences.length - MANY} more (--json)`);
  return [
    operation,
    String(real.length),
    agrees ? colour.green('same') : colour.red('differs'),
    row.model === null ? row.reason : shown.join(', '),
    counted(leftOut),
  ];
}

const describe = ({ kind, name, at }: Difference): string => `${kind} ${name} @${at}`;

function counted(names: readonly string[]): string {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return Array.from(times, ([name, count]) => (count === 1 ? name : `${count} ${name}`)).join(' ');
}
