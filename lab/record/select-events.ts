/** Which tables a run records: the default ones, as changed by `--events`. */
import { TRACE_TABLES } from '../../machine/board/trace-tables.ts';
import { unknownName } from '../cli/errors.ts';

const NONE = 'none';

/** Names of the tables, sorted. Throws UserError for a name that is no table. */
export function selectEvents(requested: readonly string[]): string[] {
  const selected = new Set(
    TRACE_TABLES.filter((table) => table.default).map((table) => table.name),
  );
  for (const request of requested) {
    if (request === NONE) {
      selected.clear();
    } else if (request.startsWith('-')) {
      selected.delete(knownTable(request.slice(1)));
    } else {
      selected.add(knownTable(request));
    }
  }
  return [...selected].sort();
}

function knownTable(name: string): string {
  const known = TRACE_TABLES.map((table) => table.name);
  if (known.includes(name)) return name;
  throw unknownName({
    kind: 'event',
    name,
    known,
    place: '--events',
    listCommand: 'lab list events',
  });
}
