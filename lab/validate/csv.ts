/** Reads the comma-separated tables of the reference data: quoted fields may hold commas. */

/** Records by the names of the first line. */
export function parseCsv(text: string): Record<string, string>[] {
  const [titles = [], ...rows] = text.trimEnd().split('\n').map(fields);
  return rows.map((row) => Object.fromEntries(titles.map((title, i) => [title, row[i] ?? ''])));
}

function fields(line: string): string[] {
  const found = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(found, ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
}
