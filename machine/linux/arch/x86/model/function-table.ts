/** Ours, not Linux's: the modelled functions with what the caches need to know of their text. */
import { FUNCTIONS_A, type FunctionText } from './function-text-a.ts';
import { FUNCTIONS_B } from './function-text-b.ts';

/** By F. */
export const FUNCTIONS: readonly FunctionText[] = [...FUNCTIONS_A, ...FUNCTIONS_B];
