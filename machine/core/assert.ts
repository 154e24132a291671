/** Thrown when the machine itself is wrong, never for what a guest does. */
export class MachineBug extends Error {
  override readonly name = 'MachineBug';
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new MachineBug(message);
}

/** Marks a place that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new MachineBug(`unreachable value ${String(value)}`);
}
