/**
 * Resolves an experiment: names become a board, a program image and phases, and every name that
 * does not exist is refused before anything runs. The resolved experiment goes into the manifest
 * whole, so that a replay needs nothing but the run directory.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Board } from '../../machine/board/board.ts';
import { BOARDS, findBoard } from '../../machine/board/boards.ts';
import type { GuestFile, Program } from '../../machine/board/machine-api.ts';
import { rootDirectories, rootFiles } from '../../machine/board/catalogue.ts';
import { findWorkload, WORKLOADS } from '../../workloads/registry.ts';
import type { Phase } from '../../workloads/lib/program.ts';
import { unknownName, UserError } from '../cli/errors.ts';
import type { Experiment, FileWord } from '../experiment/experiment.ts';
import { selectEvents } from './select-events.ts';

export interface ResolvedExperiment {
  readonly kind: 'workload' | 'elf';
  /** Name of the workload, or path of the file as the user gave it. */
  readonly name: string;
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  readonly program: Program;
  /** Files of the guest's root beside the program, by path. */
  readonly files: readonly GuestFile[];
  /** In order; empty for an ELF file. */
  readonly phases: readonly Phase[];
  readonly kernel: string;
  readonly board: Board;
  readonly seed: number;
  /** Tables to record, sorted. */
  readonly events: readonly string[];
}

/** Path at which the program of a workload stands in the guest's root file system. */
const WORKLOAD_FOLDER = '/usr/libexec/cyclelab';

/** Throws UserError when a name does not exist or a value is out of range. */
export function resolveExperiment(experiment: Experiment): ResolvedExperiment {
  const board = findBoard(experiment.board);
  if (board === undefined) {
    const known = BOARDS.map(({ name }) => name);
    throw unknownName({ kind: 'board', name: experiment.board, known, place: '--board' });
  }
  const { kernel, seed } = experiment;
  const events = selectEvents(experiment.events);
  const target = resolveTarget(experiment);
  const files = readFiles(experiment.files, target.program.path);
  return { ...target, files, kernel, board, seed, events };
}

type ResolvedTarget = Pick<ResolvedExperiment, 'kind' | 'name' | 'params' | 'program' | 'phases'>;

/** A workload's name wins over a file of the same name; `./name` means the file. */
function resolveTarget(experiment: Experiment): ResolvedTarget {
  const { target, params, guestArguments, env } = experiment;
  const workload = findWorkload(target);
  if (workload === undefined) return resolveFile(experiment);
  const built = workload.build(params);
  if (built.kind === 'parameter-error') {
    const { message, remedy, parameter } = built;
    throw new UserError(`${parameter}: ${message}`, { place: '--param', remedy });
  }
  const path = `${WORKLOAD_FOLDER}/${workload.name}`;
  return {
    kind: 'workload',
    name: workload.name,
    params: built.parameters,
    phases: built.phases,
    program: { path, bytes: built.bytes, argv: [workload.name, ...guestArguments], env },
  };
}

function resolveFile({ target, params, guestArguments, env }: Experiment): ResolvedTarget {
  if (Object.keys(params).length > 0) {
    const remedy = "give the program's arguments after '--'";
    throw new UserError('an ELF file has no parameters', { place: '--param', remedy });
  }
  const bytes = readTarget(target);
  const name = basename(target);
  return {
    kind: 'elf',
    name: target,
    params: {},
    phases: [],
    program: { path: `/${name}`, bytes, argv: [target, ...guestArguments], env },
  };
}

/** Permission bits of a file that the guest may only read, and of one that it may also run. */
const READABLE = 0o644;
const EXECUTABLE = 0o755;
const ANY_EXECUTE = 0o111;

/** Reads what `--file` names, in the order of the guest's paths. Throws what reading throws. */
function readFiles(words: readonly FileWord[], program: string): GuestFile[] {
  const files = words.map(({ guest, host }): GuestFile => {
    const stat = statSync(host);
    if (!stat.isFile()) {
      throw new UserError('is no regular file', { place: host, remedy: 'name each file' });
    }
    const mode = (stat.mode & ANY_EXECUTE) === 0 ? READABLE : EXECUTABLE;
    return { path: guest, bytes: readFileSync(host), mode };
  });
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  checkPlaces(
    files.map(({ path }) => path),
    program,
  );
  return files;
}

/** No file may be a directory of another, of the program, or of those that every root has. */
function checkPlaces(paths: readonly string[], program: string): void {
  const directories = rootDirectories();
  const files = [...paths, program, ...rootFiles()];
  for (const path of paths) {
    const isAbove = [...files, ...directories].some((other) => other.startsWith(`${path}/`));
    if (isAbove || directories.includes(path)) {
      const problem = `'${path}' is a directory of the guest`;
      throw new UserError(problem, { place: '--file', remedy: 'name the file inside it' });
    }
    const above = files.find((other) => path.startsWith(`${other}/`));
    if (above === undefined) continue;
    const problem = `'${above}' is a file of the guest and no directory`;
    throw new UserError(problem, { place: '--file', remedy: 'choose another place' });
  }
}

function readTarget(target: string): Uint8Array {
  try {
    return readFileSync(target);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isMissing || target.includes('/')) throw error;
    const known = WORKLOADS.map(({ name }) => name);
    throw unknownName({ kind: 'workload or file', name: target, known });
  }
}
