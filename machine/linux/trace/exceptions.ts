/** The page_fault_user tracepoint. */
import type { Kernel } from '../init/kernel.ts';

const enum Column {
  TICK,
  CPU,
  TID,
  ADDRESS,
  IP,
  ERROR_CODE,
}

/** Records a fault at entry; address, ip and error code are still in the CPU's exit fields. */
export function tracePageFaultUser({ trace, cpu, current }: Kernel): void {
  const table = trace.pageFaultUser;
  if (table === null) return;
  const { registers } = cpu;
  const row = table.next();
  table.setWide(Column.TICK, row, cpu.entered);
  table.set(Column.CPU, row, cpu.number);
  table.set(Column.TID, row, current.pid);
  table.setHalves(Column.ADDRESS, row, registers.exitAddressLow, registers.exitAddressHigh);
  table.setWide(Column.IP, row, registers.rip);
  table.set(Column.ERROR_CODE, row, registers.exitInfo);
}
