/** The `syscalls` tracepoint. */
import type { Ticks } from '../../core/units.ts';
import { Gpr, type Registers } from '../arch/x86/model/registers.ts';
import { nameIndex } from '../arch/x86/entry/syscalls/syscall-64.ts';
import type { Kernel } from '../init/kernel.ts';

const ARGUMENTS = [Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9] as const;

/** Column numbers of specs.SYSCALLS. */
const enum Column {
  TICK,
  DUR,
  CPU,
  TID,
  NR,
  NAME,
  ARG0,
  RET = ARG0 + 6,
}

/** Records a call that began at `begin` and ends now. The registers still hold its arguments. */
export function traceSyscall(
  { trace, cpu, current }: Kernel,
  registers: Registers,
  number: number,
  begin: Ticks,
  result: number,
): void {
  const table = trace.syscalls;
  if (table === null) return;
  const row = table.next();
  table.setWide(Column.TICK, row, begin);
  table.setWide(Column.DUR, row, cpu.now - begin);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.set(Column.NR, row, number);
  table.set(Column.NAME, row, nameIndex(number));
  for (let i = 0; i < 6; i++) {
    const gpr = ARGUMENTS[i];
    table.setHalves(Column.ARG0 + i, row, registers.low(gpr), registers.high(gpr));
  }
  table.setWide(Column.RET, row, result);
}
