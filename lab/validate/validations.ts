/** What can be validated: one entry per subcommand of `lab validate`. */

export interface Validation {
  readonly name: string;
  readonly summary: string;
}

export const TIMING: Validation = {
  name: 'timing',
  summary:
    'time of operations on the model against measurements of the machine that a board describes',
};

export const PATHS: Validation = {
  name: 'paths',
  summary: "instructions of the kernel model's operations against counts of a real Linux 6.1",
};

export const TRACEPOINTS: Validation = {
  name: 'tracepoints',
  summary:
    'tracepoints that operations hit in the kernel model, in order, against a real Linux 6.18',
};

export const VALIDATIONS: readonly Validation[] = [TIMING, PATHS, TRACEPOINTS];
