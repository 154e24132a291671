/** Tables line up, numbers read the same everywhere, and only people see colour and progress. */
import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { describe, expect, it } from 'vitest';
import { formatNumber, formatTable, Progress, wantsColour } from '../../../../lab/cli/output.ts';

describe('formatTable', () => {
  it('aligns text left, numbers right, and leaves no trailing blanks', () => {
    const columns = [{ title: 'cause' }, { title: 'ticks', align: 'right' }, { title: 'note' }];
    const table = formatTable(columns as Parameters<typeof formatTable>[0], [
      ['base', '1,204', ''],
      ['page_walk', '7', 'cold'],
    ]);
    expect(table.split('\n')).toEqual([
      'cause      ticks  note',
      'base       1,204',
      'page_walk      7  cold',
    ]);
  });

  it('does not count colour codes as width', () => {
    const table = formatTable([{ title: 'a' }, { title: 'b' }], [['\u001b[32mok\u001b[39m', 'x']]);
    expect(table.split('\n')[1]).toBe('\u001b[32mok\u001b[39m  x');
    expect(table.split('\n')[0]).toBe('a   b');
  });
});

describe('formatNumber', () => {
  it.each([
    [0, 0, '0'],
    [999, 0, '999'],
    [1234567, 0, '1,234,567'],
    [-1234567, 0, '-1,234,567'],
    [1234.5678, 2, '1,234.57'],
    [18446744073709551615n, 0, '18,446,744,073,709,551,615'],
  ])('%s with %s digits', (value, digits, text) => {
    expect(formatNumber(value, digits)).toBe(text);
  });
});

describe('wantsColour', () => {
  it.each([
    ['a terminal', {}, true, true],
    ['a pipe', {}, false, false],
    ['NO_COLOR', { NO_COLOR: '1' }, true, false],
    ['an empty NO_COLOR', { NO_COLOR: '' }, true, true],
    ['a dumb terminal', { TERM: 'dumb' }, true, false],
    ['FORCE_COLOR over a pipe', { FORCE_COLOR: '1' }, false, true],
    ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, false, false],
  ])('%s', (_what, environment, isTerminal, expected) => {
    expect(wantsColour(environment, isTerminal)).toBe(expected);
  });
});

describe('Progress', () => {
  function record(isTTY: boolean): { stream: WriteStream; text: () => string } {
    const stream = new PassThrough();
    const written: string[] = [];
    stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
    return {
      stream: Object.assign(stream, { isTTY }) as unknown as WriteStream,
      text: () => written.join(''),
    };
  }

  it('is silent unless a person watches', () => {
    const { stream, text } = record(false);
    const progress = new Progress(stream);
    progress.show('half');
    progress.clear();
    expect(text()).toBe('');
  });

  it('overwrites its line and leaves it empty', () => {
    const { stream, text } = record(true);
    const progress = new Progress(stream);
    progress.clear();
    progress.show('half');
    progress.clear();
    expect(text()).toBe('\r\u001b[Khalf\r\u001b[K');
  });
});
