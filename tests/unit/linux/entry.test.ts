import { describe, expect, it } from 'vitest';
import { Cause } from '../../../machine/core/ledger/cause.ts';
import { Context } from '../../../machine/core/ledger/context.ts';
import { Cpu, ExitReason, PageFaultCode } from '../../../machine/hardware/layout.ts';
import { VDSO_DATA_OFFSET, VdsoData } from '../../../machine/linux/include/vdso/datapage.ts';
import { ARGUMENT_TYPES } from '../../../machine/linux/arch/x86/entry/syscalls/syscall-signatures.ts';
import { SYSCALL_TABLE } from '../../../machine/linux/arch/x86/entry/syscalls/syscall-table.ts';
import { call, fault, look, ScriptedKernel, type Step } from './scripted-kernel.ts';

const ENOSYS = -38n;
const BUFFER = 0x402000;

const exceptionStep =
  (vector: number): Step =>
  ({ linear, state }) => {
    linear.data.setInt32(state.block + Cpu.EXIT_INFO, vector, true);
    return ExitReason.EXCEPTION;
  };

const spend =
  (ticks: number): Step =>
  (scripted) => {
    scripted.state.clock += ticks;
    scripted.userTicks += ticks;
    return call('getpid')(scripted);
  };

/** Ticks of one cause in all kernel accounts of a run that has ended. */
function ticksOf(scripted: ScriptedKernel, cause: Cause): number {
  scripted.ledger.closeWindow('end', scripted.running.clocks());
  return scripted.ledger.rows.reduce((sum, row) => sum + row.ticks[cause], 0);
}

describe('system calls', () => {
  it('that do not exist or are not modelled return -ENOSYS and warn once', () => {
    const results: bigint[] = [];
    const keep = look((s) => results.push(s.result));
    const scripted = new ScriptedKernel();
    scripted.play(call(335), keep, call('ptrace'), keep, call('ptrace'), keep, call(100000), keep);
    expect(results).toEqual([ENOSYS, ENOSYS, ENOSYS, ENOSYS]);
    expect(scripted.kernel.warnings.filter((text) => text.includes('ptrace'))).toHaveLength(1);
    expect(scripted.kernel.warnings).toHaveLength(3);
  });

  it('name their support: what is partial says what it leaves out', () => {
    const entries = SYSCALL_TABLE.filter((entry) => entry !== undefined);
    expect(entries.filter(({ support }) => support !== 'none').length).toBeGreaterThan(40);
    for (const { support, omits } of entries) expect(support === 'partial').toBe(omits !== '');
  });

  it('have at most six arguments of known types', () => {
    for (const entry of SYSCALL_TABLE) {
      const args = entry?.arguments ?? [];
      expect(args.length).toBeLessThanOrEqual(6);
      for (const { type, name } of args) {
        expect(ARGUMENT_TYPES, `${entry?.name ?? ''} ${name}`).toContain(type);
      }
    }
  });

  it('answer as Linux does', () => {
    const wanted: [Step, bigint][] = [
      [call('getpid'), 100n],
      [call('gettid'), 100n],
      [call('getppid'), 1n],
      [call('getuid'), 0n],
      [call('close', 9), -9n],
      [call('write', 9, BUFFER, 1), -9n],
      [call('write', 0, BUFFER, 1), -9n],
      [call('write', 1, 0x600000, 1), -14n],
      [call('read', 0, BUFFER, 10), 0n],
      [call('ioctl', 1, 0x5401, BUFFER), -25n],
      [call('lseek', 1, 0, 1), -29n],
      [call('uname', 8), -14n],
      [call('clock_gettime', 77, BUFFER), -22n],
      [call('rt_sigaction', 9, BUFFER, 0, 8), -22n],
      [call('futex', BUFFER, 128, 1, 0), -11n],
      [call('tgkill', 100, 100, 0), 0n],
      [call('kill', 55, 9), -3n],
      [call('arch_prctl', 0x1002, 0x7fffffffffff), -1n],
    ];
    const results: bigint[] = [];
    new ScriptedKernel({ commandLine: 'norandmaps' }).play(
      ...wanted.flatMap(([step]) => [step, look((s) => results.push(s.result))]),
    );
    // The look() after a call makes a call itself; it sees the result first.
    expect(results).toEqual(wanted.map(([, value]) => value));
  });

  it('are traced with arguments, result and duration', () => {
    const scripted = new ScriptedKernel({ events: ['syscalls', 'page_fault_user'] });
    scripted.play(call('close', 77));
    const batch = scripted.batches.find(({ table }) => table.name === 'syscalls');
    const column = (name: string): ArrayLike<number> => {
      const index = batch?.table.columns.findIndex((spec) => spec.name === name) ?? -1;
      return batch?.columns[index] ?? [];
    };
    expect(batch?.rows).toBe(2);
    const names = batch?.table.columns.find(({ name }) => name === 'name')?.values ?? [];
    expect(names[column('name')[0]]).toBe('close');
    expect(column('arg0')[0]).toBe(77);
    expect(column('ret')[0] | 0).toBe(-9);
    expect(column('dur')[0]).toBeGreaterThan(0);
    expect(names[column('name')[1]]).toBe('exit_group');
  });
});

describe('page table isolation', () => {
  const run = (commandLine: string, features: readonly string[]): ScriptedKernel =>
    new ScriptedKernel({ commandLine, features }).play(call('getppid'), call('getppid'));

  it('runs user mode on a table without the kernel', () => {
    const scripted = new ScriptedKernel({ commandLine: 'pti=on', features: ['constant_tsc'] });
    let seen = 0;
    scripted.play(call('getpid'), (s) => {
      const kernelAddress = 0xffff888000100000n;
      expect(s.hierarchy.translate(0, kernelAddress)).toBe(-1);
      expect(s.hierarchy.translate(0, 0x401800n, PageFaultCode.USER)).toBeGreaterThan(0);
      seen++;
      return call('getpid')(s);
    });
    expect(seen).toBe(1);
  });

  it('costs a cause of its own, less with PCIDs, and none when off', () => {
    const features = ['constant_tsc', 'pcid', 'meltdown'];
    const [off, pcid, noPcid] = ['pti=off', '', 'nopcid'].map((words) => run(words, features));
    const isolation = [off, pcid, noPcid].map((s) => ticksOf(s, Cause.MITIGATION_PTI));
    expect(isolation[0]).toBe(0);
    expect(isolation[1]).toBeGreaterThan(0);
    expect(isolation[2]).toBeGreaterThan(isolation[1]);
  });

  it('leaves the books balanced', () => {
    const scripted = run('nopcid', ['constant_tsc', 'pcid', 'meltdown']);
    const clocks = scripted.running.clocks();
    expect(scripted.ledger.residuals(clocks)).toEqual([scripted.userTicks]);
  });
});

describe('exceptions', () => {
  it.each([
    [0, 'SIGFPE', 136],
    [3, 'SIGTRAP', 133],
    [6, 'SIGILL', 132],
    [13, 'SIGSEGV', 139],
  ])('vector %d raises %s', (vector, name, status) => {
    const scripted = new ScriptedKernel();
    scripted.steps = [
      fault(0x400200, PageFaultCode.USER | PageFaultCode.FETCH),
      exceptionStep(vector),
    ];
    const end = scripted.running.run();
    expect(end.status).toBe(status);
    expect(end.signal?.name).toBe(name);
    expect(end.signal?.code.length).toBe(15);
  });
});

describe('the timer', () => {
  it('ticks at CONFIG_HZ in hardirq context and publishes the time', () => {
    const scripted = new ScriptedKernel({ commandLine: 'CONFIG_HZ=1000' });
    const { kernel } = scripted;
    const vvar = (field: VdsoData): number =>
      kernel.memory.words[((kernel.vdso?.dataPhysical ?? 0) + VDSO_DATA_OFFSET + field) >>> 2];
    const sequence = vvar(VdsoData.SEQ);
    const jiffies = kernel.timekeeper.jiffies;
    scripted.play(...Array.from({ length: 30 }, () => spend(6_400_000)));
    const elapsedMs = scripted.running.clocks()[0] / 64 / 1e6;
    const ticks = kernel.timekeeper.jiffies - jiffies;
    expect(Math.abs(ticks - elapsedMs)).toBeLessThanOrEqual(1);
    expect(vvar(VdsoData.SEQ)).toBeGreaterThan(sequence);
    expect(vvar(VdsoData.SEQ) % 2).toBe(0);
    scripted.ledger.closeWindow('end', scripted.running.clocks());
    const irq = scripted.ledger.rows.filter(({ context }) => context === Context.HARDIRQ);
    expect(irq.length).toBeGreaterThan(50);
  });

  it('moves the clocks on by what has passed', () => {
    const read: bigint[] = [];
    const readClock: Step[] = [
      call('clock_gettime', 1, BUFFER),
      look((s) => {
        const physical = s.hierarchy.translate(0, BigInt(BUFFER));
        const view = new DataView(s.linear.memory.buffer, s.linear.guestBase + physical, 16);
        read.push(view.getBigInt64(0, true) * 1_000_000_000n + view.getBigInt64(8, true));
      }),
    ];
    new ScriptedKernel().play(...readClock, spend(64 * 1_000_000), ...readClock);
    // The board runs at 1 GHz: a million cycles are a millisecond.
    expect(Number(read[1] - read[0])).toBeGreaterThan(1_000_000);
    expect(Number(read[1] - read[0])).toBeLessThan(1_200_000);
  });
});
