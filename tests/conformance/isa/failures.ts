/** Replays a set of recorded vectors through one executor and collects what it gets wrong. */
import { BareMachine, InterpreterExecutor } from './bare-machine.ts';
import type { Fixture, Vector } from './fixture.ts';
import { codeAddress, placeCode, replay } from './replay.ts';
import { TranslatorExecutor } from './translator-executor.ts';

export type ExecutorName = 'interpreter' | 'translator';

const FAILURES_MAX = 20;

/** One line for each vector that went wrong of those that are tried; at most the first 20. */
export function failuresOf(
  recorded: Fixture,
  name: ExecutorName,
  filter: boolean,
  isTried: (vector: Vector, index: number) => boolean = () => true,
): string[] {
  const machine = new BareMachine({ filter });
  placeCode(machine, recorded.vectors);
  const chosen = recorded.vectors.flatMap((vector, index) =>
    isTried(vector, index) ? [index] : [],
  );
  const executor =
    name === 'interpreter'
      ? new InterpreterExecutor(machine)
      : new TranslatorExecutor(machine, filter, chosen.map(codeAddress));
  const failures: string[] = [];
  for (const index of chosen) {
    const vector = recorded.vectors.at(index);
    if (vector === undefined) continue;
    const differences = replay(machine, executor, vector, index);
    if (differences.length === 0) continue;
    const code = Buffer.from(vector.code).toString('hex');
    const form = recorded.forms[vector.form] ?? '';
    failures.push(`${form}: ${code} seed ${String(vector.seed)}: ${differences.join('; ')}`);
  }
  return failures.slice(0, FAILURES_MAX);
}
