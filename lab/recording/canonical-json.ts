/** JSON with one spelling per value: keys sorted, two spaces, a line feed at the end. */

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new RangeError(`JSON cannot hold ${String(value)}`);
    }
    return value;
  }
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  // A prototype-less object keeps a hostile `__proto__` key an ordinary one.
  const result = Object.create(null) as Record<string, unknown>;
  for (const [key, v] of entries) result[key] = sorted(v);
  return result;
}

/** The canonical text of `value`. Integer-like keys come first, in numeric order, as in JavaScript. */
export function canonicalJson(value: JsonValue): string {
  return `${JSON.stringify(sorted(value), null, 2)}\n`;
}
