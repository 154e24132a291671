/** The command line as a whole, in this process: what is parsed, listed and refused. */
import type { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { exitCodeOf, reportError } from '../../../../lab/cli/errors.ts';
import {
  addExperimentOptions,
  executionOf,
  experimentOf,
  type ExperimentOptions,
} from '../../../../lab/cli/experiment-options.ts';
import { createProgram } from '../../../../lab/cli/program.ts';
import { runCommand } from '../../../../lab/cli/run.ts';
import { TOPICS } from '../../../../lab/cli/list-topics.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `lab ARGS` in this process. */
async function lab(...args: string[]): Promise<Outcome> {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const program = await createProgram(args);
    await program.parseAsync(args, { from: 'user' });
    return { code: 0, stdout: written.join(''), stderr: '' };
  } catch (error) {
    const stderr = reportError(error, args);
    return { code: exitCodeOf(error), stdout: written.join(''), stderr };
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** The options of `lab run` as commander parses them, without running anything. */
function parseRun(...args: string[]): { words: readonly string[]; options: ExperimentOptions } {
  const command: Command = runCommand();
  let options: ExperimentOptions | undefined;
  command.action((_target, _words, parsed: ExperimentOptions) => {
    options = parsed;
  });
  command.parse(args, { from: 'user' });
  if (options === undefined) throw new Error('the action did not run');
  return { words: command.args, options };
}

describe('lab', () => {
  it('shows every command in its help', async () => {
    const { code, stdout } = await lab('--help');
    expect(code).toBe(0);
    for (const name of ['run', 'list', 'doctor'])
      expect(stdout).toMatch(new RegExp(`^  ${name}`, 'm'));
  });

  it('refuses an unknown command in one line, with a suggestion', async () => {
    const { code, stdout, stderr } = await lab('rum');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toBe(
      "error: unknown command 'rum' (Did you mean run?); 'lab --help' shows the usage\n",
    );
  });

  it('explains where guest options go', async () => {
    const { code, stderr } = await lab('run', 'hello', '--verbose');
    expect(code).toBe(2);
    expect(stderr).toContain("after '--'");
  });
});

describe('lab run', () => {
  it('has defaults for everything but the target', () => {
    const { options } = parseRun('hello');
    expect(experimentOf('hello', [], options)).toEqual({
      target: 'hello',
      guestArguments: [],
      env: [],
      kernel: '',
      board: 'zen4-vm',
      params: {},
      seed: 1,
      files: [],
      events: [],
    });
    expect(executionOf(options)).toEqual({
      tier: 'auto',
      filter: true,
      zstd: false,
      out: undefined,
      hostMemory: 4 * 2 ** 30,
    });
  });

  it('takes every option, and leaves what follows -- alone', () => {
    const { words, options } = parseRun(
      ...['hello', '--env', 'A=1', '--env', 'B=2', '--kernel', 'pti=on nopcid', '--param', 'n=3'],
      ...['--board', 'simple', '--seed', '0x2a', '--events', 'tlb_miss,page_walk', '--zstd'],
      ...['--tier', 'interpreter', '--no-filter', '--out', 'here', '--host-memory', '2G'],
      ...['--file', '/data//a=./b=c', '--file', '/d=e'],
      ...['--', '--seed', 'x'],
    );
    expect(words).toEqual(['hello', '--seed', 'x']);
    expect(experimentOf('hello', words.slice(1), options)).toEqual({
      target: 'hello',
      guestArguments: ['--seed', 'x'],
      env: ['A=1', 'B=2'],
      kernel: 'pti=on nopcid',
      board: 'simple',
      params: { n: '3' },
      seed: 42,
      files: [
        { guest: '/data/a', host: './b=c' },
        { guest: '/d', host: 'e' },
      ],
      events: ['tlb_miss', 'page_walk'],
    });
    expect(executionOf(options)).toEqual({
      tier: 'interpreter',
      filter: false,
      zstd: true,
      out: 'here',
      hostMemory: 2 * 2 ** 30,
    });
  });

  it('shares its options with other commands', () => {
    const names = (command: Command): string[] =>
      command.options.map((option) => option.long ?? '');
    const shared = names(
      addExperimentOptions(new (runCommand().constructor as new () => Command)()),
    );
    expect(names(runCommand())).toEqual(expect.arrayContaining(shared));
  });
});

describe('lab list', () => {
  it.each(TOPICS.map(({ name }) => name))(
    '%s: a row for each entry, a cell for each column',
    async (name) => {
      const topic = TOPICS.find((candidate) => candidate.name === name);
      const rows = (await topic?.load()) ?? [];
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(topic?.columns.length ?? 0);
      const { stdout } = await lab('list', name, '--json');
      const listed = (JSON.parse(stdout) as Record<string, unknown[]>)[name];
      expect(listed).toHaveLength(rows.length);
    },
  );
});
