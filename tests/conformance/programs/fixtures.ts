/**
 * Loads the guest programs of the conformance suite with what they must print.
 * Needs no compiler: the binaries are in fixtures/, compressed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { caseOf, CASES } from './programs.ts';

export const FIXTURES = join(import.meta.dirname, 'fixtures');

/** What Linux did with a case natively, standard output into a pipe. Text is Latin-1. */
export interface Golden {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status, or null when a signal ended the program. */
  readonly exit: number | null;
  /** `SIGSEGV` and the like, or null when the program left by itself. */
  readonly signal: string | null;
}

/** A golden as goldens.json has it: a long standard output is in outputFile(name) instead. */
export type StoredGolden = Omit<Golden, 'stdout'> & { readonly stdout?: string };

export interface Fixture extends Golden {
  readonly name: string;
  /** Name of the binary, shared by several cases. */
  readonly binary: string;
  readonly elf: Uint8Array;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

const images = new Map<string, Uint8Array>();
let goldens: Readonly<Record<string, StoredGolden>> | undefined;

export function outputFile(caseName: string): string {
  return join(FIXTURES, `${caseName.replace('/', '.')}.stdout.gz`);
}

/** The ELF file of a binary in BINARIES. Callers must not modify it. */
export function loadBinary(name: string): Uint8Array {
  let image = images.get(name);
  if (!image) {
    image = new Uint8Array(gunzipSync(readFileSync(join(FIXTURES, `${name}.elf.gz`))));
    images.set(name, image);
  }
  return image;
}

/** Names of all cases, in the table's order. */
export function fixtureNames(): string[] {
  return Object.keys(CASES);
}

/** Throws when `name` is no case or its golden is missing (run build.ts). */
export function loadFixture(name: string): Fixture {
  goldens ??= JSON.parse(readFileSync(join(FIXTURES, 'goldens.json'), 'utf8')) as typeof goldens;
  const options = caseOf(name);
  const golden = goldens?.[name];
  if (!golden) throw new Error(`no golden of ${name}`);
  const stdout = golden.stdout ?? gunzipSync(readFileSync(outputFile(name))).toString('latin1');
  const { binary, argv, env = [] } = options;
  return { name, binary, elf: loadBinary(binary), argv, env, ...golden, stdout };
}
