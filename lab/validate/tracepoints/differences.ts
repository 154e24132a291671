/** What must be taken out of one sequence and put in to make it another: the fewest such steps. */

export interface Difference {
  /** `missing`: only the real kernel has it; `extra`: only the model. */
  readonly kind: 'missing' | 'extra';
  readonly name: string;
  /** Where in the real sequence: how many of its tracepoints come before. */
  readonly at: number;
}

/** In order; empty when the sequences are the same. */
export function differences(real: readonly string[], model: readonly string[]): Difference[] {
  const width = model.length + 1;
  // common[i * width + j]: length of the longest common part of real from i and model from j.
  const common = new Uint16Array((real.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = real.length - 1; i >= 0; i--) {
    for (let j = model.length - 1; j >= 0; j--) {
      common[i * width + j] =
        real[i] === model[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: Difference[] = [];
  let i = 0;
  let j = 0;
  while (i < real.length || j < model.length) {
    if (i < real.length && j < model.length && real[i] === model[j]) {
      i++;
      j++;
    } else if (j === model.length || (i < real.length && at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: 'missing', name: real[i] ?? '', at: i });
      i++;
    } else {
      found.push({ kind: 'extra', name: model[j] ?? '', at: i });
      j++;
    }
  }
  return found;
}
