/**
 * Ours, not Linux's: what is known of one word of the kernel's configuration. `modelled` words change
 * the model; `accepted` ones are taken because the model always behaves that way or the difference is
 * invisible; `unmodelled` ones exist in Linux and are refused with that explanation.
 */

export type Support = 'modelled' | 'accepted' | 'unmodelled';

export interface KernelWord {
  readonly word: string;
  readonly meaning: string;
  /** Every value it takes; `<...>` names a kind of value; empty for a word without value. */
  readonly values: readonly string[];
  readonly default: string;
  readonly effect: string;
  readonly support: Support;
}

export function word(
  name: string,
  meaning: string,
  values: readonly string[],
  fallback: string,
  effect: string,
): KernelWord {
  return { word: name, meaning, values, default: fallback, effect, support: 'modelled' };
}

export function accepted(
  name: string,
  meaning: string,
  values: readonly string[],
  effect: string,
): KernelWord {
  const why = `none: ${effect}`;
  return { word: name, meaning, values, default: '', effect: why, support: 'accepted' };
}

export function unmodelled(name: string, meaning: string): KernelWord {
  const effect = 'none: refused';
  return { word: name, meaning, values: [], default: '', effect, support: 'unmodelled' };
}
