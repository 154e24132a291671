/** Operations as guest programs, counted in the kernel model. */
import { describe, expect, it } from 'vitest';
import { assumptions } from '../../../lab/validate/paths/assumptions.ts';
import { countOperation } from '../../../lab/validate/paths/count.ts';
import { CALLS } from '../../../lab/validate/paths/operations/calls.ts';
import { validatePaths } from '../../../lab/validate/paths/paths.ts';

describe('counting an operation', () => {
  it('finds the real count of a plain system call, and the same one every time', () => {
    const getpid = CALLS.find(({ name }) => name === 'getpid');
    if (getpid === undefined) throw new Error('getpid is an operation');
    const count = countOperation(getpid, 'off');
    expect(count).toMatchObject({ instructions: 305 });
    expect(countOperation(getpid, 'off')).toEqual(count);
  });

  it('says why an operation has no count', () => {
    const broken = { name: 'broken', measured: () => undefined, setup: crash };
    expect(countOperation(broken, 'off')).toMatchObject({
      reason: expect.stringMatching(/SIGILL/) as string,
    });
  });
});

describe('lab validate paths', () => {
  it('compares each boot and judges the errors', () => {
    const report = validatePaths({
      boots: ['off', 'on_zen'],
      filter: 'getuid',
      onOperation: () => undefined,
    });
    expect(
      report.rows.map(({ boot, real, model }) => [boot, real.instructions, model?.instructions]),
    ).toEqual([
      ['off', 284, 284],
      ['on_zen', 320, expect.any(Number)],
    ]);
    expect(report.untried).not.toContain('getuid');
    expect(report.summaries.find(({ measure }) => measure === 'instructions')).toMatchObject({
      rows: 1,
    });
  });
});

describe('lab validate paths --assumptions', () => {
  it('names what was never counted, and nothing that was', () => {
    const names = assumptions().assumed.map(({ name }) => name);
    expect(names).toContain('__do_sys_mremap');
    // Counted in boot off, under a suffix of the compiler, and in another boot.
    expect(names).not.toContain('do_syscall_64');
    expect(names).not.toContain('link_path_walk');
    expect(names).not.toContain('load_balance');
  });
});

const crash: (typeof CALLS)[number]['measured'] = ({ guest }) => {
  guest.asm.ud2();
};
