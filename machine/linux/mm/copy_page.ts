/** Copying one page for the kernel, after Linux 6.1 arch/x86/lib/copy_page_64.S: a string instruction. */
import { Cause } from '../../core/ledger/cause.ts';
import { High } from '../arch/x86/model/address-map.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import type { Kernel } from '../init/kernel.ts';

const LINE_BYTES = 64;

/** Moves the contents between physical addresses. The caller has charged the instructions. */
export function copyPage(kernel: Kernel, from: number, to: number): void {
  const { cpu, memory } = kernel;
  cpu.stream('read', from, High.DIRECT, PAGE_BYTES);
  cpu.stream('write', to, High.DIRECT, PAGE_BYTES);
  cpu.charge(Cause.COPY, (PAGE_BYTES / LINE_BYTES) * cpu.ticks.copyPerLine);
  memory.bytes.copyWithin(to, from, from + PAGE_BYTES);
  memory.written(to);
}
