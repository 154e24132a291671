/**
 * What can go wrong, and how it is told: one line that names the place and the remedy, and an exit
 * code that scripts can rely on. Guests' own ends (a signal, an exit status) are results, not errors.
 */
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { CommanderError } from 'commander';
import { closest, distance } from 'fastest-levenshtein';
import { MachineBug } from '../../machine/core/assert.ts';
import { RecordingError } from '../recording/recording-error.ts';

export const enum ExitCode {
  OK = 0,
  /** Regression, divergence or failed assertion. */
  FAILED = 1,
  /** Bad usage or input. */
  USAGE = 2,
  INFRASTRUCTURE = 3,
  INTERRUPTED = 130,
}

export interface ErrorPlace {
  /** Where: an option, a file, `file:line:column`. */
  readonly place?: string;
  /** What to do about it, in the imperative. */
  readonly remedy?: string;
}

/** Bad usage or input: the user can mend it. Exit code 2. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  readonly place: string | undefined;
  readonly remedy: string | undefined;

  constructor(message: string, { place, remedy }: ErrorPlace = {}) {
    super(message);
    this.place = place;
    this.remedy = remedy;
  }
}

/** The host failed us (disk full, out of memory, a broken installation). Exit code 3. */
export class InfrastructureError extends UserError {
  override readonly name = 'InfrastructureError';
}

/** The user stopped it. Exit code 130. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Longest list of choices that an error line spells out. */
const CHOICES_MAX = 12;

export interface UnknownName {
  /** What kind of thing: `board`, `event`, `kernel word`. */
  readonly kind: string;
  readonly name: string;
  readonly known: readonly string[];
  readonly place?: string;
  /** The command that prints all of them. */
  readonly listCommand?: string;
}

/** `unknown board 'zen5'; did you mean 'zen4-vm'? (skylake, simple, zen4-vm)` */
export function unknownName(unknown: UnknownName): UserError {
  const { kind, name, known, place, listCommand } = unknown;
  const near = nearest(name, known);
  const hints: string[] = [];
  if (near !== undefined) hints.push(`did you mean '${near}'?`);
  if (known.length <= CHOICES_MAX) hints.push(`choose from ${known.join(', ')}`);
  else if (listCommand !== undefined) hints.push(`'${listCommand}' shows all ${known.length}`);
  return new UserError(`unknown ${kind} '${name}'`, {
    ...(place === undefined ? {} : { place }),
    remedy: hints.join(' '),
  });
}

/** The known name that `name` was probably meant to be, if one is close enough. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const candidate = closest(name, known);
  const limit = Math.max(2, Math.floor(name.length / 3));
  return distance(name, candidate) <= limit ? candidate : undefined;
}

/** What the operating system reports when the user named a wrong file. */
const USER_ERRNO: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EEXIST: 'exists already',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
};

/** What it reports when the host is out of something. */
const HOST_ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
  EIO: 'input or output error',
  EMFILE: 'too many open files',
  ENOMEM: 'out of memory',
  EROFS: 'the file system is read-only',
};

const isErrno = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error;

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof InfrastructureError) return ExitCode.INFRASTRUCTURE;
  if (error instanceof UserError) return ExitCode.USAGE;
  if (error instanceof RecordingError) return ExitCode.USAGE;
  if (error instanceof Interrupted) return ExitCode.INTERRUPTED;
  if (error instanceof CommanderError) return isHelp(error) ? ExitCode.OK : ExitCode.USAGE;
  if (isErrno(error) && (error.code ?? '') in USER_ERRNO) return ExitCode.USAGE;
  return ExitCode.INFRASTRUCTURE;
}

/** Commander reports "the help was printed" as an error too. */
const isHelp = ({ exitCode }: CommanderError): boolean => exitCode === 0;

/**
 * What to print on stderr for `error`: nothing for help, one line for what the user or the host
 * did, and for a bug of ours the command that reproduces it and where it happened.
 */
export function reportError(error: unknown, args: readonly string[]): string {
  if (error instanceof CommanderError) return isHelp(error) ? '' : usageLine(error);
  if (error instanceof UserError) {
    const place = error.place === undefined ? '' : `${error.place}: `;
    const remedy = error.remedy === undefined ? '' : `; ${error.remedy}`;
    return oneLine(`error: ${place}${error.message}${remedy}`);
  }
  if (error instanceof RecordingError) return oneLine(`error: ${error.message}`);
  if (error instanceof Interrupted) return 'interrupted\n';
  if (isErrno(error)) return errnoLine(error);
  return bugReport(error, args);
}

function usageLine({ code, message }: CommanderError): string {
  const remedy =
    code === 'commander.unknownOption'
      ? "; arguments of the guest program go after '--'; 'lab help COMMAND' shows the options"
      : "; 'lab --help' shows the usage";
  return oneLine(message.trim() + remedy);
}

function errnoLine(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  const reason = USER_ERRNO[code] ?? HOST_ERRNO[code] ?? error.message;
  return oneLine(`error: ${error.path === undefined ? '' : `${error.path}: `}${reason}`);
}

function bugReport(error: unknown, args: readonly string[]): string {
  const what = error instanceof MachineBug ? 'a bug in the machine' : 'a bug in the lab';
  const message = error instanceof Error ? error.message : String(error);
  const stack = (error instanceof Error ? (error.stack ?? '') : '').split('\n');
  const frames = stack.filter((line) => line.startsWith('    at '));
  return [
    oneLine(`error: ${what}: ${message}`).trimEnd(),
    `  reproduce: lab ${args.map(quote).join(' ')}  # commit ${commit()}, Node ${process.version}, ${process.platform}-${process.arch}`,
    ...frames,
    '',
  ].join('\n');
}

/** The commit of the checkout that this runs from. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** Input may hold anything: control characters must neither break the line nor reach the terminal. */
function oneLine(text: string): string {
  const flat = text.replace(/\s*\n\s*/g, ' ');

  return `${flat.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}\n`;
}
