/**
 * An experiment: everything that decides the result of a run, and nothing else. It goes into the
 * manifest in full, and replay starts from it. How a run is executed (`Execution`) changes how long
 * it takes and never what comes out.
 */
import type { Tier } from '../../machine/board/machine-api.ts';
import { nearest, UserError } from '../cli/errors.ts';

export interface Experiment {
  /** Name of a workload, or path of a static ELF file. */
  readonly target: string;
  /** The program's arguments after argv[0]. */
  readonly guestArguments: readonly string[];
  /** `NAME=value` each, in the order given. */
  readonly env: readonly string[];
  /** The kernel's command line, in Linux's own words. */
  readonly kernel: string;
  readonly board: string;
  /** Parameters of the workload, as text; the workload says what they mean. */
  readonly params: Readonly<Record<string, string>>;
  readonly seed: number;
  /** Files of the host that the guest finds in its root. */
  readonly files: readonly FileWord[];
  /** As given to `--events`: see parseEvents. */
  readonly events: readonly string[];
}

/** One `--file GUEST=HOST`. */
export interface FileWord {
  /** Absolute path in the guest. */
  readonly guest: string;
  /** Path of the file here. */
  readonly host: string;
}

/** How to execute an experiment. */
export interface Execution {
  readonly tier: Tier;
  /** The inline line filter of the memory model. */
  readonly filter: boolean;
  /** Compress the tables. */
  readonly zstd: boolean;
  /** Folder to write the run to; a new one in `runs/` when absent. */
  readonly out: string | undefined;
  /** Bytes of host memory that the run may take; no limit when absent. */
  readonly hostMemory?: number | undefined;
}

export const DEFAULT_BOARD = 'zen4-vm';
export const DEFAULT_SEED = 1;
export const TIERS: readonly Tier[] = ['interpreter', 'translator', 'auto'];

/** Checks `NAME=value` words. Values may hold anything but NUL, names neither `=` nor NUL. */
export function parseEnv(words: readonly string[]): string[] {
  return Object.entries(parsePairs(words, '--env')).map(([name, value]) => `${name}=${value}`);
}

/** Parts of the guest's tree that are not in memory. */
const NO_PLACE = ['/proc', '/sys', '/dev'];

/** Parses `GUEST=HOST` words of `--file`: the first `=` separates, and GUEST is an absolute path. */
export function parseFiles(words: readonly string[]): FileWord[] {
  return Object.entries(parsePairs(words, '--file')).map(([given, host]) => {
    const names = given.split('/').filter((name) => name !== '' && name !== '.');
    const guest = `/${names.join('/')}`;
    const isPlace = given.startsWith('/') && names.length > 0 && !given.endsWith('/');
    if (!isPlace || names.includes('..')) {
      const remedy = 'write --file /path/in/the/guest=path/here';
      throw new UserError(`'${given}' is no absolute path of a file`, { place: '--file', remedy });
    }
    if (NO_PLACE.some((top) => guest === top || guest.startsWith(`${top}/`))) {
      const remedy = `choose a place outside ${NO_PLACE.join(', ')}`;
      throw new UserError(`the kernel makes what is in '${guest}'`, { place: '--file', remedy });
    }
    return { guest, host };
  });
}

/** Parses `name=value` words of `--param`. */
export function parseParams(words: readonly string[]): Record<string, string> {
  return parsePairs(words, '--param');
}

function parsePairs(words: readonly string[], option: string): Record<string, string> {
  // A null prototype would not survive JSON; a Map keeps `__proto__` an ordinary name until then.
  const pairs = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals <= 0) {
      const remedy = `write ${option} NAME=VALUE`;
      throw new UserError(`'${word}' has no ${equals === 0 ? 'name' : 'value'}`, {
        place: option,
        remedy,
      });
    }
    if (word.includes('\0')) throw new UserError('a value holds a NUL byte', { place: option });
    const name = word.slice(0, equals);
    if (pairs.has(name)) {
      const remedy = 'give each name once';
      throw new UserError(`'${name}' is given twice`, { place: option, remedy });
    }
    pairs.set(name, word.slice(equals + 1));
  }
  return Object.fromEntries(pairs);
}

/** `512M`, `4G` or plain bytes. */
export function parseHostMemory(text: string): number {
  const match = /^(\d+)([kmg]?)$/i.exec(text);
  const unit =
    { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[match?.[2]?.toLowerCase() ?? ''] ?? NaN;
  const bytes = Number(match?.[1] ?? 'NaN') * unit;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UserError(`'${text}' is not an amount of memory`, {
    place: '--host-memory',
    remedy: 'give bytes, or a number with K, M or G, as in 4G',
  });
}

/** A seed is an integer from 0 to 2^53 - 1, decimal or 0x hexadecimal. */
export function parseSeed(text: string): number {
  const seed = /^(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(seed)) {
    throw new UserError(`'${text}' is not a seed`, {
      place: '--seed',
      remedy: 'give an integer from 0 to 2^53 - 1',
    });
  }
  return seed;
}

/**
 * Parses `--events`: names of tables to record beside the default ones, `-name` for a default one to
 * leave out, `none` for no table at all, separated by commas. Order is kept.
 */
export function parseEvents(text: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) {
    throw new UserError('no event named', {
      place: '--events',
      remedy: "give names separated by commas; 'lab list events' shows them",
    });
  }
  return [...new Set(names)];
}

export function parseTier(text: string): Tier {
  const tier = TIERS.find((name) => name === text);
  if (tier !== undefined) return tier;
  const near = nearest(text, TIERS);
  throw new UserError(`unknown tier '${text}'`, {
    place: '--tier',
    remedy: `${near === undefined ? '' : `did you mean '${near}'? `}choose from ${TIERS.join(', ')}`,
  });
}
