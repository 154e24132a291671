/** Every error becomes one line with place and remedy, and the right exit code. */
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  exitCodeOf,
  InfrastructureError,
  Interrupted,
  nearest,
  reportError,
  unknownName,
  UserError,
} from '../../../../lab/cli/errors.ts';
import { RecordingError } from '../../../../lab/recording/recording-error.ts';
import { MachineBug } from '../../../../machine/core/assert.ts';

const errno = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: as node words it`), { code, path, syscall: 'open' });

describe('exit codes', () => {
  const torn = new RecordingError({ file: 'a.arrow', problem: 'torn', remedy: 'Record it again' });
  it.each([
    ['bad input', new UserError('no'), 2],
    ['a recording that is torn', torn, 2],
    ['wrong usage', new CommanderError(1, 'commander.unknownOption', 'error: unknown'), 2],
    ['help', new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)'), 0],
    ['a missing file', errno('ENOENT', 'x'), 2],
    ['a full disk', errno('ENOSPC', 'x'), 3],
    ['the host', new InfrastructureError('no'), 3],
    ['our own bug', new MachineBug('no'), 3],
    ['anything else', 'thrown text', 3],
    ['the user', new Interrupted(), 130],
  ])('of %s', (_what, error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

describe('the line', () => {
  it('names place and remedy', () => {
    const error = new UserError("unknown word 'ptii'", { place: '--kernel', remedy: 'try pti' });
    expect(reportError(error, [])).toBe("error: --kernel: unknown word 'ptii'; try pti\n");
  });

  it('stays one line and harmless whatever the input held', () => {
    const line = reportError(new UserError('a\n  b\u001b[31m\u0007'), []);
    expect(line).toBe('error: a b\\x1b[31m\\x07\n');
  });

  it('says what the operating system found, in words', () => {
    expect(reportError(errno('ENOENT', 'no/such'), [])).toBe(
      'error: no/such: no such file or directory\n',
    );
  });

  it('is absent when help was asked for', () => {
    expect(reportError(new CommanderError(0, 'commander.help', ''), [])).toBe('');
  });
});

describe('a bug of ours', () => {
  it('comes with the command that reproduces it, quoted for a shell', () => {
    const report = reportError(new MachineBug('ledger is off by 3 ticks'), [
      'run',
      "it's",
      '--kernel',
      'pti=on nopcid',
    ]);
    const [first, second, third] = report.split('\n');
    expect(first).toBe('error: a bug in the machine: ledger is off by 3 ticks');
    expect(second).toContain(String.raw`lab run 'it'\''s' --kernel 'pti=on nopcid'  # commit `);
    expect(third).toMatch(/^ {4}at /);
  });
});

describe('unknown names', () => {
  it('are answered with the nearest known one and the choices', () => {
    const error = unknownName({ kind: 'board', name: 'zen4', known: ['simple', 'zen4-vm'] });
    expect(reportError(error, [])).toBe(
      "error: unknown board 'zen4'; choose from simple, zen4-vm\n",
    );
    const close = unknownName({ kind: 'board', name: 'smiple', known: ['simple', 'zen4-vm'] });
    expect(reportError(close, [])).toContain("did you mean 'simple'?");
  });

  it('of which there are many point to the list', () => {
    const known = Array.from({ length: 40 }, (_, index) => `event_${index}`);
    const error = unknownName({ kind: 'event', name: 'x', known, listCommand: 'lab list events' });
    expect(reportError(error, [])).toBe(
      "error: unknown event 'x'; 'lab list events' shows all 40\n",
    );
  });

  it('are not guessed at when nothing is near', () => {
    expect(nearest('ptii', ['pti', 'mem'])).toBe('pti');
    expect(nearest('entirely', ['pti', 'mem'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
  });
});
