/**
 * Resolves an experiment: names become a board, a program image and phases, and every name that
 * does not exist is refused before anything runs. The resolved experiment goes into the manifest
 * whole, so that a replay needs nothing but the run directory.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Board } from '../../machine/board/board.ts';
import { BOARDS, boardNamed } from '../../machine/board/boards.ts';
import type { Program } from '../../machine/board/machine-api.ts';
import { findWorkload, WORKLOADS } from '../../workloads/registry.ts';
import type { ParameterValues, Phase } from '../../workloads/lib/program.ts';
import { unknownName, UserError } from '../cli/errors.ts';
import type { Experiment } from '../experiment/experiment.ts';

export interface ResolvedExperiment {
  readonly kind: 'workload' | 'elf';
  /** Name of the workload, or path of the file as the user gave it. */
  readonly name: string;
  readonly params: ParameterValues;
  readonly program: Program;
  /** In order; empty for an ELF file. */
  readonly phases: readonly Phase[];
  readonly kernel: string;
  readonly board: Board;
  readonly seed: number;
  /** Tables to record, sorted. */
  readonly events: readonly string[];
}
