/**
 * Parameters of a workload: declared as data, given as text on a command line, checked before
 * anything runs. A wrong value is a `ParameterError`, never an exception.
 */

export interface IntegerParameter {
  readonly type: 'integer';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly description: string;
}

export interface ChoiceParameter<Choice extends string = string> {
  readonly type: 'choice';
  readonly default: Choice;
  readonly choices: readonly Choice[];
  readonly description: string;
}

export type Parameter = IntegerParameter | ChoiceParameter;

export type Parameters = Readonly<Record<string, Parameter>>;

/** The values that a workload is built from. */
export type ParameterValues<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends ChoiceParameter<infer Choice> ? Choice : number;
};

export interface ParameterError {
  readonly kind: 'parameter-error';
  readonly parameter: string;
  readonly message: string;
  readonly remedy: string;
}

export function integer(spec: Omit<IntegerParameter, 'type'>): IntegerParameter {
  return { type: 'integer', ...spec };
}

export function choice<const Choice extends string>(
  spec: Omit<ChoiceParameter<Choice>, 'type'>,
): ChoiceParameter<Choice> {
  return { type: 'choice', ...spec };
}

/** Reads `given` (name to text) against the declaration; what is not given has its default. */
export function readParameters<P extends Parameters>(
  declared: P,
  given: Readonly<Record<string, string>>,
): ParameterValues<P> | ParameterError {
  const names = Object.keys(declared);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const remedy = names.length === 0 ? 'it takes none' : `it takes ${names.join(', ')}`;
    return wrong(name, 'the workload has no such parameter', remedy);
  }
  const values: Record<string, string | number> = {};
  for (const [name, parameter] of Object.entries(declared)) {
    const text = Object.hasOwn(given, name) ? given[name] : undefined;
    const value = text === undefined ? parameter.default : readValue(name, parameter, text);
    if (typeof value === 'object') return value;
    values[name] = value;
  }
  return values as ParameterValues<P>;
}

export function isParameterError(value: object): value is ParameterError {
  return 'kind' in value && value.kind === 'parameter-error';
}

function readValue(
  name: string,
  parameter: Parameter,
  text: string,
): string | number | ParameterError {
  if (parameter.type === 'choice') {
    if (parameter.choices.includes(text)) return text;
    return wrong(name, `'${text}' is not a choice`, `choose from ${parameter.choices.join(', ')}`);
  }
  const { min, max } = parameter;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  const message = Number.isNaN(value)
    ? `'${text}' is not a whole number`
    : `${value} is out of range`;
  return wrong(name, message, `give a whole number from ${min} to ${max}`);
}

function wrong(parameter: string, message: string, remedy: string): ParameterError {
  return { kind: 'parameter-error', parameter, message, remedy };
}
