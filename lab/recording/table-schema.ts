/** From an Arrow schema back to the TableSpec that it was written from. */
import type { ColumnSpec, ColumnType, TableSpec } from '../../machine/core/trace/event-table.ts';
import type { ArrowField, ArrowSchema, ArrowType } from './arrow-metadata.ts';
import { schemaSha256 } from './batch-digest.ts';
import type { FileBytes } from './file-bytes.ts';
import { COLUMN_TYPES, FORMAT_VERSION, METADATA, storedNumber } from './format.ts';

/** Strings by dictionary id. */
export type Dictionaries = ReadonlyMap<number, readonly string[]>;

const describe = (type: ArrowType): string =>
  'bytes' in type ? `${type.kind}${String(type.bytes * 8)}` : type.kind;

/** Refuses Arrow files that are not ours, and recordings of another version. */
export function checkFormat(file: FileBytes, at: number, schema: ArrowSchema): void {
  const version = schema.metadata.get(METADATA.format);
  if (version === undefined) {
    const remedy = 'Name a run directory written by `lab run`';
    throw file.fault(at, 'an Arrow file, but not a recording of this program', remedy);
  }
  if (version !== String(FORMAT_VERSION)) {
    const remedy = 'Use the version of lab that wrote it, or record the run again';
    const problem = `format version ${version}, where this program reads ${String(FORMAT_VERSION)}`;
    throw file.fault(at, problem, remedy);
  }
}

function columnOf(
  file: FileBytes,
  at: number,
  field: ArrowField,
  dictionaries: Dictionaries,
): ColumnSpec {
  const type = field.metadata.get(METADATA.type) ?? '';
  if (!COLUMN_TYPES.has(type) || field.nullable) {
    throw file.fault(at, `column ${field.name} has no column type of a recording`);
  }
  const values = field.dictionary ? dictionaries.get(field.dictionary.id) : undefined;
  const unit = field.metadata.get(METADATA.unit);
  const column: ColumnSpec = {
    name: field.name,
    type: type as ColumnType,
    comment: field.metadata.get(METADATA.comment) ?? '',
    ...(unit === undefined ? {} : { unit: unit as NonNullable<ColumnSpec['unit']> }),
    ...(values === undefined ? {} : { values }),
  };
  const isDictionary = type === 'dictionary';
  if (isDictionary !== (values !== undefined) || isDictionary !== (field.type.kind === 'utf8')) {
    throw file.fault(at, `column ${field.name} and its dictionary do not fit`);
  }
  const wanted = storedNumber(column);
  const found = field.dictionary?.index ?? field.type;
  if (describe(wanted) !== describe(found)) {
    const problem = `column ${field.name} is stored as ${describe(found)}, not ${describe(wanted)}`;
    throw file.fault(at, problem);
  }
  return column;
}

/** The table that a schema describes, checked against the digest that the schema carries. */
export function tableSpecOf(
  file: FileBytes,
  at: number,
  schema: ArrowSchema,
  dictionaries: Dictionaries,
): TableSpec {
  const spec: TableSpec = {
    name: schema.metadata.get(METADATA.table) ?? '',
    comment: schema.metadata.get(METADATA.comment) ?? '',
    default: schema.metadata.get(METADATA.default) === 'true',
    columns: schema.fields.map((field) => columnOf(file, at, field, dictionaries)),
  };
  if (schema.metadata.get(METADATA.schemaSha256) !== schemaSha256(spec)) {
    throw file.fault(at, 'the schema or a dictionary is corrupt: its digest does not match');
  }
  return spec;
}
