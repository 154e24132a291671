import { describe, expect, it } from 'vitest';
import { call, fault, look, ScriptedKernel } from './scripted-kernel.ts';

const DATA = 0x401000;

describe('a kernel with one program', () => {
  it('boots, starts a program, writes and exits, and the books balance', () => {
    const scripted = new ScriptedKernel({ commandLine: 'norandmaps' });
    expect(scripted.startError).toBeNull();
    const { state } = scripted;
    expect(state.rip).toBe(0x400200n);
    scripted.play(call('write', 1, DATA, 4), call('getppid'));
    expect(scripted.output.map(({ sink }) => sink)).toEqual([1]);
    const clocks = scripted.running.clocks();
    scripted.ledger.closeWindow('end', clocks);
    expect(scripted.ledger.residuals(clocks)).toEqual([scripted.userTicks]);
  });

  it('makes pages on demand', () => {
    const scripted = new ScriptedKernel({ commandLine: 'norandmaps' });
    scripted.play(
      call('mmap', 0, 0x10000, 3, 0x22, -1, 0),
      (s) => fault(s.result, 6)(s),
      look((s) => {
        expect(s.kernel.current.mm?.rss).toBeGreaterThan(0);
      }),
    );
  });
});
