/**
 * High-resolution timers, after Linux 6.1 kernel/time/hrtimer.c: for each CPU a tree of timers by
 * expiry, and one hardware event for the first of them. Times are ticks of simulated time, which all
 * CPUs share. Omits: the separate trees of clock bases, timers that run in softirq context.
 */
import type { ScheduledEvent } from '../../../core/event-queue.ts';
import type { Ticks } from '../../../core/units.ts';
import { chargeReadClocksource } from './clocksources.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../../init/kernel.ts';
import { RbNode, RbTree } from '../../lib/rbtree.ts';
import {
  spinLockIrq,
  spinLockIrqsave,
  spinUnlockIrq,
  spinUnlockIrqrestore,
} from '../locking/spinlock.ts';
import { tracePoint } from '../../trace/points.ts';
import { Point } from '../../trace/points-specs.ts';

/** LOCAL_TIMER_VECTOR */
export const TIMER_GATE = { stub: F.asm_sysvec_apic_timer_interrupt, vector: 0xec };

/** struct hrtimer */
export interface HrTimer {
  readonly node: RbNode<HrTimer>;
  /** Runs in interrupt context, at or after the expiry. The timer is not armed then. */
  readonly callback: (kernel: Kernel) => void;
  /** When it must expire, and from when on it may, together with others. */
  due: Ticks;
  softDue: Ticks;
  /** The CPU whose tree it is in; -1 when it is not armed. */
  cpu: number;
}

/** struct hrtimer_cpu_base */
export interface HrTimerBase {
  readonly tree: RbTree<HrTimer>;
  /** What the hardware is programmed for. */
  event: ScheduledEvent | null;
}

export function createHrTimerBase(): HrTimerBase {
  return { tree: new RbTree<HrTimer>({ less: (a, b) => a.due < b.due }), event: null };
}

/** hrtimer_init, without its cost. */
export function createHrTimer(callback: (kernel: Kernel) => void): HrTimer {
  const draft = { callback, due: 0, softDue: 0, cpu: -1 };
  const timer = draft as HrTimer & { node: RbNode<HrTimer> };
  timer.node = new RbNode<HrTimer>(timer);
  return timer;
}

/** hrtimer_start_range_ns, with its cost: the timer is armed on the CPU that runs. */
export function hrtimerStart(kernel: Kernel, timer: HrTimer, due: Ticks, slack: Ticks): void {
  const { cpu } = kernel;
  const base = cpu.perCpu + PerCpu.HRTIMER_BASES;
  cpu.run(F.hrtimer_start_range_ns, 138);
  spinLockIrqsave(cpu, base);
  ktimeGet(kernel);
  cpu.run(F.get_nohz_timer_target, 28);
  if (timer.cpu >= 0) {
    tracePoint(kernel, Point.HRTIMER_CANCEL, timer.due, timer.softDue);
    chargeRemove(kernel);
    unlink(kernel, timer);
  }
  cpu.run(F.enqueue_hrtimer, 19);
  cpu.run(F.timerqueue_add, 33);
  cpu.run(F.rb_insert_color, 7);
  cpu.write(base + 64);
  tracePoint(kernel, Point.HRTIMER_START, due + slack, due);
  const isFirst = armTimer(kernel, timer, { cpu: cpu.number, due: due + slack, softDue: due });
  if (isFirst) {
    cpu.run(F.hrtimer_reprogram, 31);
    chargeProgram(kernel);
  }
  spinUnlockIrqrestore(cpu);
}

/** Arms a timer without a charge. Returns whether it is the CPU's first now. */
export function armTimer(
  kernel: Kernel,
  timer: HrTimer,
  at: { readonly cpu: number; readonly due: Ticks; readonly softDue: Ticks },
): boolean {
  if (timer.cpu >= 0) unlink(kernel, timer);
  timer.due = at.due;
  timer.softDue = at.softDue;
  timer.cpu = at.cpu;
  const { tree } = kernel.rqs[at.cpu].hrtimers;
  tree.insert(timer.node);
  const isFirst = tree.leftmost === timer.node;
  if (isFirst) program(kernel, at.cpu);
  return isFirst;
}

/** hrtimer_cancel with its cost. True if the timer was armed. */
export function hrtimerCancel(kernel: Kernel, timer: HrTimer): boolean {
  const { cpu } = kernel;
  cpu.run(F.hrtimer_try_to_cancel, 16);
  cpu.run(F.hrtimer_active, 17);
  if (timer.cpu < 0) return false;
  spinLockIrqsave(cpu, cpu.perCpu + PerCpu.HRTIMER_BASES);
  tracePoint(kernel, Point.HRTIMER_CANCEL, timer.due, timer.softDue);
  chargeRemove(kernel);
  unlink(kernel, timer);
  spinUnlockIrqrestore(cpu);
  return true;
}

/** Takes a timer off its tree without a charge. */
export function unlink(kernel: Kernel, timer: HrTimer): void {
  if (timer.cpu < 0) return;
  const { cpu } = timer;
  kernel.rqs[cpu].hrtimers.tree.remove(timer.node);
  timer.cpu = -1;
  program(kernel, cpu);
}

function chargeRemove({ cpu }: Kernel): void {
  cpu.run(F.timerqueue_del, 21);
  cpu.run(F.rb_next, 11);
  cpu.run(F.rb_erase, 12);
}

/** Programs the hardware of a CPU for the first timer of its tree. */
function program(kernel: Kernel, number: number): void {
  const rq = kernel.rqs[number];
  const { hrtimers, events } = rq;
  const due = hrtimers.tree.first?.due ?? Infinity;
  if (hrtimers.event !== null && !hrtimers.event.cancelled) {
    if (hrtimers.event.tick === due) return;
    events.cancel(hrtimers.event);
  }
  hrtimers.event =
    due === Infinity
      ? null
      : events.schedule(due, () => {
          hrtimers.event = null;
          timerInterrupt(kernel);
        });
}

/** asm_sysvec_apic_timer_interrupt, the whole way. */
function timerInterrupt(kernel: Kernel): void {
  kernel.interrupt(kernel, TIMER_GATE, () => {
    const { cpu } = kernel;
    cpu.run(F.sysvec_apic_timer_interrupt, 17);
    cpu.run(F.__sysvec_apic_timer_interrupt, 26);
    cpu.run(F.native_apic_mem_write, 3);
    hrtimerInterrupt(kernel);
  });
}

/** hrtimer_interrupt: every timer that may expire now. */
function hrtimerInterrupt(kernel: Kernel): void {
  const { cpu } = kernel;
  const { hrtimers } = kernel.rqs[cpu.number];
  const base = cpu.perCpu + PerCpu.HRTIMER_BASES;
  cpu.run(F.hrtimer_interrupt, 71);
  cpu.indirect(1);
  spinLockIrqsave(cpu, base);
  cpu.run(F.ktime_get_update_offsets_now, 52);
  cpu.readImage(ImageData.TK_CORE);
  chargeReadClocksource(kernel);
  const { now } = cpu;
  for (;;) {
    const { first } = hrtimers.tree;
    if (first === null || first.softDue > now) break;
    cpu.run(F.__hrtimer_run_queues, 94);
    cpu.indirect(1);
    chargeRemove(kernel);
    hrtimers.tree.remove(first.node);
    first.cpu = -1;
    spinUnlockIrqrestore(cpu);
    tracePoint(kernel, Point.HRTIMER_EXPIRE_ENTRY, first.due, first.softDue);
    first.callback(kernel);
    tracePoint(kernel, Point.HRTIMER_EXPIRE_EXIT, first.due, first.softDue);
    spinLockIrq(cpu, base);
  }
  cpu.run(F.hrtimer_update_next_event, 32);
  cpu.runCalls(F.__hrtimer_next_event_base, 69, 2);
  for (let line = 1; line < 6; line++) cpu.writePerCpu(PerCpu.HRTIMER_BASES + 64 * line);
  spinUnlockIrq(cpu);
  if (hrtimers.tree.first !== null) chargeProgram(kernel);
  program(kernel, cpu.number);
}

/** A periodic timer goes back into the tree from its own callback: HRTIMER_RESTART. */
export function chargeRestart({ cpu }: Kernel): void {
  cpu.run(F.hrtimer_forward, 32);
  cpu.run(F.enqueue_hrtimer, 19);
  cpu.run(F.timerqueue_add, 22);
  cpu.run(F.rb_insert_color, 5);
}

function chargeProgram(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.tick_program_event, 20);
  cpu.run(F.clockevents_program_event, 42);
  cpu.writePerCpu(PerCpu.TICK_DEVICE);
  ktimeGet(kernel);
  cpu.run(F.lapic_next_event, 9);
  cpu.indirect(1);
  cpu.run(F.native_apic_mem_write, 3);
}

/** ktime_get */
export function ktimeGet(kernel: Kernel): void {
  kernel.cpu.run(F.ktime_get, 38);
  kernel.cpu.indirect(1);
  chargeReadClocksource(kernel);
}
