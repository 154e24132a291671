/** Sleeping and the calls about scheduling, by a scripted program. */
import { describe, expect, it } from 'vitest';
import { NR } from '../../../../machine/linux/include/uapi/asm/unistd-64.ts';
import { call, fault, look, ScriptedKernel, type Step } from '../scripted-kernel.ts';

const BSS = 0x401900;

/** Fills user memory behind the program's back. */
const poke = (address: number, bytes: Uint8Array): Step =>
  look((s) => {
    const physical = s.hierarchy.translate(0, BigInt(address));
    s.linear.u8.set(bytes, s.linear.guestBase + physical);
  });

const words = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
const wides = (...values: number[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);

/** Makes calls one after the other. Returns their results. */
function results(steps: readonly (Step | readonly [Step])[], options = {}): number[] {
  const found: number[] = [];
  const scripted = new ScriptedKernel(options);
  scripted.play(
    fault(0x401000, 6),
    ...steps.flatMap((step): Step[] => {
      if (typeof step === 'function') return [step];
      const note = look((s) => {
        found.push(Number(s.result));
      });
      return [step[0], note];
    }),
  );
  return found;
}

describe('nanosleep', () => {
  it('sleeps at least as long as asked, and with little slack not much longer', () => {
    const times: number[] = [];
    const clock = look((s) => {
      times.push(s.state.clock);
    });
    const scripted = new ScriptedKernel();
    scripted.play(
      fault(0x401000, 6),
      poke(BSS, wides(0, 1_000_000)),
      clock,
      call('nanosleep', BSS, 0),
      clock,
    );
    const ns = ((times[1] - times[0]) * 1000) / (64 * scripted.kernel.coreMHz);
    expect(ns).toBeGreaterThanOrEqual(1_000_000);
    expect(ns).toBeLessThan(1_100_000);
    const residuals = scripted.ledger.residuals(scripted.running.clocks());
    expect(residuals).toEqual([scripted.userTicks]);
  });

  it('refuses times and clocks that are none', () => {
    expect(
      results([
        poke(BSS, wides(0, 1_000_000_000)),
        [call('nanosleep', BSS, 0)],
        [call('nanosleep', 8, 0)],
        poke(BSS, wides(0, 1)),
        [call('clock_nanosleep', 4, 0, BSS, 0)],
        [call('clock_nanosleep', 99, 0, BSS, 0)],
        [call('clock_nanosleep', 1, 1, BSS, 0)],
      ]),
    ).toEqual([-22, -14, -95, -22, 0]);
  });
});

describe('the policy of a task', () => {
  it('is what was set, within its ranges', () => {
    expect(
      results([
        [call('sched_getscheduler', 0)],
        [call('sched_get_priority_max', 1)],
        [call('sched_get_priority_min', 1)],
        [call('sched_get_priority_max', 0)],
        [call('sched_get_priority_max', 42)],
        poke(BSS, words(5)),
        [call('sched_setscheduler', 0, 2, BSS)],
        [call('sched_getscheduler', 0)],
        poke(BSS, words(0)),
        [call('sched_getparam', 0, BSS + 64)],
        [call('sched_setscheduler', 0, 1, BSS)],
        [call('sched_setscheduler', 0, 3, BSS)],
        [call('sched_getscheduler', 0)],
        [call('sched_getscheduler', 4711)],
      ]),
    ).toEqual([0, 99, 1, 0, -22, 0, 2, 0, -22, 0, 3, -3]);
  });

  it('has a nice value, and a slice', () => {
    expect(
      results([
        [call('getpriority', 0, 0)],
        [call('setpriority', 0, 0, 7)],
        [call('getpriority', 0, 0)],
        [call('setpriority', 0, 0, 100)],
        [call('getpriority', 0, 0)],
        [call('sched_rr_get_interval', 0, BSS)],
      ]),
    ).toEqual([20, 0, 13, 0, 1, 0]);
  });
});

describe('affinity', () => {
  it('is a mask of online CPUs', () => {
    expect(
      results(
        [
          [call('sched_getaffinity', 0, 8, BSS)],
          [call('sched_getaffinity', 0, 4, BSS)],
          poke(BSS, wides(0xf0)),
          [call('sched_setaffinity', 0, 8, BSS)],
          poke(BSS, wides(1)),
          [call('sched_setaffinity', 0, 8, BSS)],
          [call('sched_getaffinity', 0, 8, BSS)],
        ],
        { cpus: 2 },
      ),
    ).toEqual([8, -22, -22, 0, 8]);
  });
});

describe('futex', () => {
  it('times out, and tells a changed value and a wrong address apart', () => {
    expect(
      results([
        poke(BSS, wides(0, 200_000)),
        poke(BSS + 64, words(3)),
        [call('futex', BSS + 64, 128, 3, BSS)],
        [call('futex', BSS + 64, 128, 4, BSS)],
        [call('futex', BSS + 65, 128, 3, BSS)],
        [call('futex', BSS + 64, 129, 1)],
        [call('futex', BSS + 64, 9 + 128, 3, BSS, 0, 0)],
        [call('futex', BSS + 64, 6 + 128, 0, 0)],
      ]),
    ).toEqual([-110, -11, -22, 0, -22, -3]);
    expect(NR.futex).toBe(202);
  });
});
