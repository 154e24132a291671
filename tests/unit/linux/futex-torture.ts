/**
 * A torture test of futexes: workers on every CPU take and release one lock by the classic algorithm
 * (0 free, 1 held, 2 held with waiters), with random pauses in every window in which a wake-up could
 * get lost. They are tasks in the kernel that share the program's memory: no guest code.
 */
import { Random } from '../../../machine/core/random.ts';
import type { Sleeping } from '../../../machine/linux/include/linux/sched.ts';
import type { Kernel } from '../../../machine/linux/init/kernel.ts';
import { F } from '../../../machine/linux/arch/x86/model/generated/function-ids.ts';
import { readWord, writeWord } from '../../../machine/linux/kernel/futex/core.ts';
import { futexWait, futexWakeUp } from '../../../machine/linux/kernel/futex/waitwake.ts';
import { kthreadRun } from '../../../machine/linux/kernel/kthread.ts';
import { relax, schedule } from '../../../machine/linux/kernel/sched/core.ts';
import { call, fault, ScriptedKernel } from './scripted-kernel.ts';

const DATA = 0x401000;
/** In the bss. The lock, and the word that the program sleeps on until all is done. */
const LOCK = DATA + 0x900;
const DONE = DATA + 0xa00;

export interface TortureResult {
  /** Workers that finished all their rounds, and how many should have. */
  readonly finished: number;
  readonly workers: number;
  readonly waits: number;
  readonly wakes: number;
  /** Times that two workers held the lock at once. */
  readonly violations: number;
  /** Waiters that are still queued. */
  readonly leftWaiting: number;
  readonly residuals: readonly number[];
}

/** What the workers of one machine share. */
interface Shared {
  readonly random: Random;
  readonly rounds: number;
  holder: number;
  waits: number;
  wakes: number;
  violations: number;
  finished: number;
  readonly workers: number;
}

/** Lets a random time pass, on some occasions giving others their turn or the CPU. */
function* pause(kernel: Kernel, { random }: Shared): Sleeping<undefined> {
  kernel.cpu.run(F.__cond_resched, 1 + random.below(400));
  const choice = random.below(8);
  if (choice < 4) yield* relax(kernel);
  else if (choice === 4) yield* schedule(kernel);
  return undefined;
}

function exchange(kernel: Kernel, value: number): number {
  const old = readWord(kernel, LOCK);
  writeWord(kernel, LOCK, value);
  return old;
}

function* lock(kernel: Kernel, shared: Shared): Sleeping<undefined> {
  let seen = readWord(kernel, LOCK);
  if (seen === 0) {
    writeWord(kernel, LOCK, 1);
    return undefined;
  }
  yield* pause(kernel, shared);
  if (seen !== 2) seen = exchange(kernel, 2);
  while (seen !== 0) {
    yield* pause(kernel, shared);
    shared.waits++;
    const result = futexWait(kernel, {
      address: LOCK,
      isShared: false,
      expected: 2,
      bitset: -1,
      until: Infinity,
    });
    if (typeof result !== 'number') yield* result;
    yield* pause(kernel, shared);
    seen = exchange(kernel, 2);
  }
  return undefined;
}

function* unlock(kernel: Kernel, shared: Shared): Sleeping<undefined> {
  const old = exchange(kernel, 0);
  yield* pause(kernel, shared);
  if (old !== 2) return undefined;
  shared.wakes++;
  futexWakeUp(kernel, { address: LOCK, isShared: false, count: 1, bitset: -1 });
  return undefined;
}

function* worker(kernel: Kernel, shared: Shared, id: number): Sleeping<never> {
  for (let round = 0; round < shared.rounds; round++) {
    yield* lock(kernel, shared);
    if (shared.holder !== 0) shared.violations++;
    shared.holder = id;
    yield* pause(kernel, shared);
    if (shared.holder !== id) shared.violations++;
    shared.holder = 0;
    yield* unlock(kernel, shared);
    yield* pause(kernel, shared);
  }
  if (++shared.finished === shared.workers) {
    writeWord(kernel, DONE, 1);
    futexWakeUp(kernel, { address: DONE, isShared: false, count: 1, bitset: -1 });
  }
  // The program's memory goes with the program.
  kernel.current.mm = null;
  for (;;) {
    kernel.current.state = 'S';
    yield* schedule(kernel);
  }
}

/** One machine with `cpus` CPUs, `workers` workers and a number of rounds for each. */
export function torture(options: {
  readonly seed: number;
  readonly cpus: number;
  readonly workers: number;
  readonly rounds: number;
}): TortureResult {
  const { seed, cpus, workers, rounds } = options;
  const scripted = new ScriptedKernel({ cpus, seed });
  const { kernel } = scripted;
  const random = new Random(seed, 'futex torture');
  const counts = { holder: 0, waits: 0, wakes: 0, violations: 0, finished: 0 };
  const shared: Shared = { random, rounds, workers, ...counts };
  scripted.play(
    fault(DATA, 6),
    (s) => {
      const { mm, sched } = s.kernel.current;
      // The script plays the registers of the first CPU.
      sched.cpusMask = 1;
      s.kernel.cpu.enter();
      for (let id = 1; id <= workers; id++) {
        const thread = { pid: 1000 + id, comm: `worker/${id}`, cpu: id % cpus };
        const task = kthreadRun(s.kernel, thread, () => worker(s.kernel, shared, id));
        task.mm = mm;
      }
      s.kernel.cpu.leave();
      return call('getpid')(s);
    },
    call('futex', DONE, 128, 0, 0),
  );
  const residuals = scripted.ledger.residuals(scripted.running.clocks());
  return {
    ...shared,
    leftWaiting: kernel.futexes.waiters,
    residuals: residuals.map((left, cpu) => (cpu === 0 ? left - scripted.userTicks : left)),
  };
}
