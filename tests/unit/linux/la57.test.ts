/** la57 adds a level to page walks and a table to each process, and changes nothing else. */
import { describe, expect, it } from 'vitest';
import type { Board } from '../../../machine/board/board.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { ZEN4_VM } from '../../../machine/board/zen4-vm.ts';
import { qword, registers } from '../../../workloads/lib/assembly.ts';
import { clockOf, runGuest, runWorkload, type WordsRun } from './run-words.ts';

const thrash = (words: string, board: Board): WordsRun =>
  runWorkload(
    'tlb-thrash',
    { pages: '8192', operations: '2000' },
    { words, board, events: ['mm_page_alloc'] },
  );

const walks = ({ result }: WordsRun): number => result.counters['page-walks'] ?? NaN;

describe.each([
  ['simple', SIMPLE],
  ['zen4-vm', ZEN4_VM],
] as const)('on %s', (_name, board) => {
  const four = thrash('', board);
  const five = thrash('la57', board);

  it('a walk reads one table more, which is nearly always in the first-level cache', () => {
    const ratio = clockOf(five) / clockOf(four);
    expect(ratio).toBeLessThan(1.05);
    if (board.memory.walkCaches === undefined) expect(ratio).toBeGreaterThan(1);
    // Where tables lie differs by a page, and with it which lines of the caches they share.
    else expect(ratio).toBeGreaterThan(0.98);
  });

  it('the program does the same', () => {
    expect(five.output).toBe(four.output);
    expect(five.result.exit).toEqual(four.result.exit);
    expect(five.result.userInstructions).toBe(four.result.userInstructions);
    expect(walks(five) / walks(four)).toBeCloseTo(1, 1);
  });

  it('no5lvl undoes it', () => {
    expect(thrash('la57 no5lvl', board).result.clocks).toEqual(four.result.clocks);
    expect(thrash('no5lvl', board).result.clocks).toEqual(four.result.clocks);
  });
});

it('works with page table isolation, several processes and CPUs', () => {
  for (const words of ['la57 pti=on', 'la57 pti=on nopcid', 'la57 maxcpus=2']) {
    const run = runGuest(
      (guest) => {
        guest.syscall('fork');
        guest.syscall('wait4', -1, 0, 0, 0);
        guest.print('done\n');
        guest.exit(0);
      },
      { words, board: SIMPLE },
    );
    expect(run.output).toBe('done\ndone\n');
    expect(run.result.exit.status).toBe(0);
  }
});

it('an address above 47 bits is one that nothing is mapped at, no longer an impossible one', () => {
  const touch = (words: string): string => {
    const { result } = runGuest(
      ({ asm }) => {
        asm.mov(registers.rax, 0x0000_8000_0000_0000n);
        asm.mov(registers.rbx, qword(registers.rax));
      },
      { words, board: SIMPLE },
    );
    expect(result.exit.status).toBe(139);
    return result.exit.signal?.message ?? '';
  };
  expect(touch('')).not.toBe(touch('la57'));
  expect(touch('la57')).toContain('800000000000');
});
