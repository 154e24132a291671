/** Every bad input of the corpus on the whole machine: refused in words, ended by a signal, or run. */
import { describe, expect, it } from 'vitest';
import { runMachine } from '../../machine/board/machine.ts';
import { SIMPLE } from '../../machine/board/simple.ts';
import { badInputs } from './bad-inputs.ts';
import { GUEST_PATH } from './programs/programs.ts';

type Outcome = 'refused' | 'signal' | 'ran';

function outcomeOf(bytes: Uint8Array): Outcome {
  const result = runMachine({
    board: SIMPLE,
    commandLine: 'mem=64M',
    seed: 1,
    program: { path: GUEST_PATH, bytes, argv: ['program'], env: [] },
    phases: [],
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'interpreter',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') {
    expect(result.message).not.toBe('');
    expect(result.remedy).not.toBe('');
    return 'refused';
  }
  expect(result.ledger.residuals(result.clocks)).toEqual(result.clocks.map(() => 0));
  return result.exit.signal === undefined ? 'ran' : 'signal';
}

const ALLOWED: Readonly<Record<string, readonly Outcome[]>> = {
  refused: ['refused'],
  'refused or signal': ['refused', 'signal'],
  orderly: ['refused', 'signal', 'ran'],
  runs: ['ran'],
};

describe('the machine given a bad program', () => {
  const files = badInputs().flatMap(({ name, content, machine }) =>
    typeof content === 'string' ? [] : [{ name, content, machine }],
  );

  it.each(files)('$name: $machine', ({ content, machine }) => {
    expect(ALLOWED[machine]).toContain(outcomeOf(content));
  });
});
