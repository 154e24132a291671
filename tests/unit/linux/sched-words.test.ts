/** The knobs of the scheduler change who runs for how long, and nothing else. */
import { expect, it } from 'vitest';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { registers } from '../../../workloads/lib/assembly.ts';
import { runGuest, type WordsRun } from './run-words.ts';

const TURNS = 4_000_000;
const TICK = 'CONFIG_HZ=1000 maxcpus=1';

/** A process and its child, both busy, on one CPU. */
function twoHogs(words: string): WordsRun {
  return runGuest(
    (guest) => {
      guest.syscall('fork');
      guest.repeat(registers.rbx, TURNS, () => undefined);
      guest.syscall('wait4', -1, 0, 0, 0);
      guest.exit(0);
    },
    { words: `${TICK} ${words}`, board: SIMPLE },
  );
}

const switches = ({ result }: WordsRun): number => result.counters['context-switches'] ?? NaN;

it('kernel.sched_base_slice_ns is for how long a task runs under EEVDF', () => {
  const usual = twoHogs('');
  const long = twoHogs('kernel.sched_base_slice_ns=5000000');
  expect(switches(usual)).toBeGreaterThan(2 * switches(long));
  expect(long.result.userInstructions).toBe(usual.result.userInstructions);
  expect(long.result.exit).toEqual(usual.result.exit);
});

it('the knobs of one scheduler mean nothing to the other', () => {
  const eevdf = twoHogs('');
  expect(twoHogs('kernel.sched_latency_ns=40000000').result.clocks).toEqual(eevdf.result.clocks);
  const cfs = twoHogs('sched=cfs');
  const same = twoHogs('sched=cfs kernel.sched_base_slice_ns=5000000');
  expect(same.result.clocks).toEqual(cfs.result.clocks);
});

it('kernel.sched_latency_ns and the granularity are for how long a task runs under CFS', () => {
  const usual = twoHogs('sched=cfs');
  const words = 'kernel.sched_latency_ns=2000000 kernel.sched_min_granularity_ns=1000000';
  expect(switches(twoHogs(`sched=cfs ${words}`))).toBeGreaterThan(switches(usual));
});
