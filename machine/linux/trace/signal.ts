/** The signal_generate and signal_deliver tracepoints. */
import type { Task } from '../include/linux/sched.ts';
import type { KernelSignal } from '../kernel/signal.ts';
import type { SigInfo } from '../include/linux/signal_types.ts';
import type { Kernel } from '../init/kernel.ts';

const enum Generate {
  TICK,
  CPU,
  TID,
  SIGNAL,
  ERRNO,
  CODE,
  PID,
  GROUP,
  RESULT,
}

const enum Deliver {
  TICK,
  CPU,
  TID,
  SIGNAL,
  ERRNO,
  CODE,
  HANDLER,
  FLAGS,
}

/** TRACE_SIGNAL_*: what became of a signal that was sent. */
export const enum SignalResult {
  DELIVERED,
  IGNORED,
  ALREADY_PENDING,
  OVERFLOW_FAIL,
  LOSE_INFO,
}

export function traceSignalGenerate(
  kernel: Kernel,
  task: Task,
  info: SigInfo,
  what: { readonly group: boolean; readonly result: SignalResult },
): void {
  const { trace, cpu, current } = kernel;
  const table = trace.signalGenerate;
  if (table === null) return;
  const row = table.next();
  table.setWide(Generate.TICK, row, cpu.now);
  table.set(Generate.CPU, row, cpu.number);
  table.set(Generate.TID, row, current.pid);
  table.set(Generate.SIGNAL, row, info.signal);
  table.set(Generate.ERRNO, row, info.errno);
  table.set(Generate.CODE, row, info.code);
  table.set(Generate.PID, row, task.pid);
  table.set(Generate.GROUP, row, what.group ? 1 : 0);
  table.set(Generate.RESULT, row, what.result);
}

export function traceSignalDeliver({ trace, cpu, current }: Kernel, taken: KernelSignal): void {
  const table = trace.signalDeliver;
  if (table === null) return;
  const { info, action } = taken;
  const row = table.next();
  table.setWide(Deliver.TICK, row, cpu.now);
  table.set(Deliver.CPU, row, cpu.number);
  table.set(Deliver.TID, row, current.pid);
  table.set(Deliver.SIGNAL, row, taken.signal);
  table.set(Deliver.ERRNO, row, info.errno);
  table.set(Deliver.CODE, row, info.code);
  table.setWide(Deliver.HANDLER, row, Number(action.handler));
  table.setWide(Deliver.FLAGS, row, Number(action.flags));
}
