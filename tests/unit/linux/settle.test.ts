/** A function that is settled in its midst goes on: what it charges and touches then is posted too. */
import { expect, it } from 'vitest';
import { Cause } from '../../../machine/core/ledger/cause.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { F } from '../../../machine/linux/arch/x86/model/generated/function-ids.ts';
import { ScriptedKernel } from './scripted-kernel.ts';

/** Ticks that are missing in the ledger after `work`, of which there are `ticks`. */
function unposted(work: (scripted: ScriptedKernel) => void): { missing: number; ticks: number } {
  const scripted = new ScriptedKernel({ commandLine: 'pti=off' });
  const { kernel, ledger } = scripted;
  const { cpu } = kernel;
  cpu.enter();
  cpu.settle();
  const [before] = ledger.residuals([cpu.now]);
  const begun = cpu.now;
  work(scripted);
  cpu.settle();
  const [after] = ledger.residuals([cpu.now]);
  return { missing: after - before, ticks: cpu.now - begun };
}

it.each<readonly [string, (scripted: ScriptedKernel) => void]>([
  ['a charge', ({ kernel }) => kernel.cpu.charge(Cause.TRANSITION, 640)],
  ['instructions of a mitigation', ({ kernel }) => kernel.cpu.chargeInstructions(Cause.BASE, 7)],
  ['a line', ({ kernel }) => kernel.cpu.write(0x700000)],
  ['a copy', ({ kernel }) => kernel.cpu.stream('write', 0x700000, 0xffff8880, 4096)],
])('%s right after the task has changed', (_, touch) => {
  const { missing, ticks } = unposted((scripted) => {
    const { cpu } = scripted.kernel;
    cpu.run(F.io_submit_sqes, 40);
    cpu.attribute(7, Context.HARDIRQ);
    touch(scripted);
    cpu.attribute(8, Context.KERNEL);
    touch(scripted);
  });
  expect(ticks).toBeGreaterThan(0);
  expect(missing).toBe(0);
});
