/** A table that was asked for and got no row is recorded as such, and replay knows it. */
import { expect, it } from 'vitest';
import { createTableSink } from '../../../../lab/recording/table-sink.ts';
import { VerifyingSink } from '../../../../lab/replay/verifying-sink.ts';
import { EventTable } from '../../../../machine/core/trace/event-table.ts';
import { EVERY_TYPE, scratchFolder } from './synthetic.ts';

const scratch = scratchFolder();

it('has an entry without batches', async () => {
  const sink = await createTableSink(scratch('tables'));
  new EventTable(EVERY_TYPE, sink).finish();
  const entries = sink.finish();
  expect(entries['every_type']).toMatchObject({ rows: 0, batches: [] });
  const verifying = new VerifyingSink(entries);
  new EventTable(EVERY_TYPE, verifying).finish();
  expect(verifying.entries).toEqual(entries);
});
