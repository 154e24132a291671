/** Which instruction vectors there are: forms, random instances of each, and their seeds. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Random, SPECIAL_MXCSR_SEEDS, UNMASKED_SEEDS } from '../inputs.ts';
import { snippet } from './snippets.ts';

const FIXTURES = path.join(import.meta.dirname, '..');
/** Seeds of one form; more than one run takes. */
const SEEDS_PER_FORM = 100_000;

export interface Planned {
  /** Index into the forms. */
  readonly form: number;
  readonly seed: number;
  /** Assembly text. */
  readonly text: string;
}

/** Before forms that are assembly text as they stand. */
const RAW = 'raw ';

/** All forms: those of real programs, the rest of their families, and snippets with a purpose. */
export function readForms(): string[] {
  const lines = (name: string): string[] =>
    readFileSync(path.join(FIXTURES, name), 'utf8').trim().split('\n');
  return [
    ...lines('forms.txt').map((line) => (line.split('\t')[0] ?? '').trim()),
    ...lines('more-forms.txt'),
    ...lines('fault-snippets.txt').map((line) => `${RAW}${line}`),
  ];
}

/** Forms that MXCSR has a say in. */
const FLOAT =
  /^((add|sub|mul|div|sqrt|min|max|cmp)[sp][sd]|h(add|sub)p[sd]|addsubp[sd]|cvt\w+|u?comis[sd]) /;

/** Which instances of each form: numbers `first` to `first + count`. */
export interface Selection {
  readonly first: number;
  readonly count: number;
  /** The same for snippets with a purpose. */
  readonly rawCount: number;
}

function planFrom(forms: readonly string[], base: number, selection: Selection): Planned[] {
  const planned: Planned[] = [];
  forms.forEach((text, form) => {
    if (text === '') return;
    const raw = text.startsWith(RAW) ? text.slice(RAW.length).replaceAll(';', '\n') : undefined;
    const count = raw === undefined ? selection.count : selection.rawCount;
    for (let n = selection.first; n < selection.first + count; n++) {
      const seed = base + form * SEEDS_PER_FORM + n;
      const code = raw ?? snippet(new Random(seed * 7 + 3), text);
      if (code !== undefined) planned.push({ form, seed, text: code });
    }
  });
  return planned;
}

/** Single vectors, by the seeds that planAll() gives them. */
export function planSeeds(forms: readonly string[], seeds: readonly number[]): Planned[] {
  return seeds.flatMap((seed) => {
    const form = Math.floor(seed / SEEDS_PER_FORM);
    const selection = { first: seed % SEEDS_PER_FORM, count: 1, rawCount: 1 };
    const one = forms.map((text, index) => (index === form ? text : ''));
    return planFrom(one, 0, selection);
  });
}

/** Every form under the default rounding. */
export function planAll(forms: readonly string[], selection: Selection): Planned[] {
  return planFrom(forms, 0, selection);
}

function floatForms(forms: readonly string[]): string[] {
  return forms.map((text) => (FLOAT.test(text) ? text : ''));
}

/** SSE floating point under every rounding mode, DAZ and FTZ. */
export function planRounded(forms: readonly string[], selection: Selection): Planned[] {
  return planFrom(floatForms(forms), SPECIAL_MXCSR_SEEDS, selection);
}

/** SSE floating point with exceptions unmasked. */
export function planUnmasked(forms: readonly string[], selection: Selection): Planned[] {
  return planFrom(floatForms(forms), UNMASKED_SEEDS, selection);
}
