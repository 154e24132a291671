/** Softirqs, grace periods and waiting for locks: they happen, are recorded, and every tick has its account. */
import { describe, expect, it } from 'vitest';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { Cause } from '../../../machine/core/ledger/cause.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { registers } from '../../../workloads/lib/assembly.ts';
import { callsOf, runGuest, runWorkload, ticksOf, type WordsRun } from './run-words.ts';

const EVENTS = [
  ...['softirq_raise', 'softirq_entry', 'softirq_exit', 'rcu_grace_period'],
  ...['rcu_batch_start', 'rcu_batch_end', 'contention_begin', 'contention_end'],
];

/** Opens and closes a file, which queues a callback, then computes for some ticks. */
function closeAndCompute(words: string): WordsRun {
  return runGuest(
    (guest) => {
      const path = guest.constant('/etc/passwd');
      guest.repeat(registers.rbp, 3, () => {
        guest.syscall('open', path.label, 0, 0);
        guest.syscall('close', registers.rax);
        guest.repeat(registers.rbx, 5_000_000, () => undefined);
      });
      guest.exit(0);
    },
    { words, board: SIMPLE, events: EVENTS },
  );
}

function contend(): WordsRun {
  const parameters = { threads: '4', operations: '300' };
  return runWorkload('futex-contention', parameters, { words: 'maxcpus=4', events: EVENTS });
}

const softirqTicks = ({ result }: WordsRun): number =>
  result.ledger.rows
    .filter(({ context }) => context === Context.SOFTIRQ)
    .reduce((sum, { ticks }) => sum + ticks.reduce((all, each) => all + each, 0), 0);

describe('RCU', () => {
  const run = closeAndCompute('maxcpus=1 CONFIG_HZ=1000');

  it('has grace periods that begin and end, and then callbacks are invoked', () => {
    const { rows } = run;
    expect(rows['rcu_grace_period']).toBeGreaterThanOrEqual(2);
    expect(rows['rcu_batch_start']).toBeGreaterThan(0);
    expect(rows['rcu_batch_end']).toBe(rows['rcu_batch_start']);
    expect(callsOf(run, 'rcu_do_batch')).toBe(rows['rcu_batch_start']);
  });

  it('works in a softirq, whose time is accounted for', () => {
    const { rows, result } = run;
    expect(rows['softirq_entry']).toBeGreaterThan(0);
    expect(rows['softirq_exit']).toBe(rows['softirq_entry']);
    expect(rows['softirq_raise']).toBe(rows['softirq_entry']);
    expect(softirqTicks(run)).toBeGreaterThan(0);
    expect(result.ledger.residuals(result.clocks)).toEqual([0]);
  });

  it('does nothing where nothing waits', () => {
    const idle = runGuest(
      (guest) => {
        guest.repeat(registers.rbx, 5_000_000, () => undefined);
        guest.exit(0);
      },
      { words: 'maxcpus=1 CONFIG_HZ=1000', board: SIMPLE, events: EVENTS },
    );
    expect(idle.rows['softirq_entry']).toBeLessThanOrEqual(2);
  });
});

describe('load balancing', () => {
  it('is a softirq, with more than one CPU', () => {
    const run = closeAndCompute('maxcpus=2 CONFIG_HZ=1000');
    expect(callsOf(run, 'run_rebalance_domains')).toBeGreaterThan(0);
    expect(run.result.ledger.residuals(run.result.clocks)).toEqual([0, 0]);
  });
});

describe('waiting for a lock', () => {
  it('is recorded from its begin to its end, and that is the time in the ledger', () => {
    const run = contend();
    expect(ticksOf(run, Cause.LOCK_SPIN)).toBeGreaterThan(0);
    expect(run.rows['contention_begin']).toBeGreaterThan(0);
    expect(run.rows['contention_end']).toBe(run.rows['contention_begin']);
  });
});
