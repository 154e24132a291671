/**
 * What a workload is, and how it becomes an executable. A workload describes itself as data
 * (parameters, phases with their numbers of operations) and emits its code through a `Guest`; the
 * result is a static ELF file that runs on the model and on a real Linux kernel alike.
 */
import { planExecutable, writeExecutable } from '../../machine/core/elf/writer.ts';
import { Assembler } from '../../machine/hardware/cpu/assembler.ts';
import type { SourceOf } from '../../machine/hardware/cpu/assembler.ts';
import { Guest } from './guest.ts';
import { isParameterError, readParameters } from './parameters.ts';
import type { Parameter, ParameterError, Parameters, ParameterValues } from './parameters.ts';

/** A measured stretch of a program, delimited by markers. Its index is its marker number. */
export interface Phase {
  readonly name: string;
  readonly operations: number;
}

/** A workload as `lab list` shows it and `lab run` builds it. */
export interface Workload {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly parameters: Parameters;
  /** Builds the program for the given values (name to text); absent ones have their defaults. */
  build(
    given: Readonly<Record<string, string>>,
    options?: BuildOptions,
  ): WorkloadProgram | ParameterError;
}

export interface BuildOptions {
  /** `relocatable` makes a static PIE. Default: `fixed`. */
  readonly placement?: 'fixed' | 'relocatable';
  /** Called for each instruction; what it returns goes to `WorkloadProgram.sources`. */
  readonly sourceOf?: SourceOf;
}

export interface WorkloadProgram {
  readonly kind: 'program';
  readonly workload: string;
  /** The executable, a static ELF file with symbols. */
  readonly bytes: Uint8Array;
  readonly phases: readonly Phase[];
  /** Every parameter with its resolved value. */
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Which source line made the instruction at which address. */
  readonly sources: readonly { readonly address: bigint; readonly source: string }[];
}

export interface WorkloadDefinition<P extends Record<string, Parameter>> {
  readonly name: string;
  readonly summary: string;
  readonly parameters: P;
  /** The phases in the order in which the program runs them. */
  readonly phases: (values: ParameterValues<P>) => readonly Phase[];
  /** Emits `main`; returning from it ends the program with the status in eax. */
  readonly emit: (guest: Guest, values: ParameterValues<P>) => void;
}

/** Makes a workload of its definition. */
export function defineWorkload<P extends Record<string, Parameter>>(
  definition: WorkloadDefinition<P>,
): Workload {
  const { name, summary, parameters } = definition;
  return {
    name,
    summary,
    parameters,
    build(given, options = {}) {
      const values = readParameters(parameters, given);
      if (isParameterError(values)) return values;
      const phases = definition.phases(values);
      const emit = (guest: Guest): void => {
        definition.emit(guest, values);
      };
      const { bytes, sources } = buildExecutable(phases.length, emit, options);
      return { kind: 'program', workload: name, bytes, phases, parameters: values, sources };
    },
  };
}

/** Assembles and links a program whose `main` is what `emit` emits. */
export function buildExecutable(
  phaseCount: number,
  emit: (guest: Guest) => void,
  { placement = 'fixed', sourceOf }: BuildOptions = {},
): Pick<WorkloadProgram, 'bytes' | 'sources'> {
  const asm = new Assembler(sourceOf === undefined ? {} : { sourceOf });
  const guest = new Guest(asm, phaseCount);
  const entry = guest.emitProgram(() => {
    emit(guest);
  });
  const plan = planExecutable(asm.measure(), placement);
  const program = asm.link(plan.addresses, { absolutePointers: placement === 'fixed' });
  const contents = new Map(program.sections.map(({ name, bytes }) => [name, bytes]));
  const bytes = writeExecutable(plan, {
    entry: program.addressOf(entry),
    contents,
    symbols: program.symbols,
  });
  return { bytes, sources: program.sources };
}
