import { describe, expect, it } from 'vitest';
import { parseHostMemory } from '../../../lab/experiment/experiment.ts';
import { HostMemoryGuard } from '../../../lab/record/host-memory.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { runMachine } from '../../../machine/board/machine.ts';
import { linearBytes } from '../../../machine/hardware/memory/linear-memory.ts';
import { tinyElf } from '../linux/tiny-elf.ts';

const MIB = 2 ** 20;

describe('--host-memory', () => {
  it('is bytes, or a number with a unit', () => {
    expect(['4096', '512M', '4g', '8K'].map(parseHostMemory)).toEqual([
      4096,
      512 * MIB,
      4096 * MIB,
      8192,
    ]);
    for (const text of ['', '4T', '-1', '1.5G', '0']) expect(() => parseHostMemory(text)).toThrow();
  });

  it('refuses a machine that does not fit, before it starts', () => {
    const needed = linearBytes(SIMPLE.cpus, 64 * MIB);
    const run = (hostBytesMax: number): ReturnType<typeof runMachine> =>
      runMachine({
        board: SIMPLE,
        commandLine: 'mem=64M',
        seed: 1,
        program: { path: '/tiny', bytes: tinyElf(), argv: ['tiny'], env: [] },
        phases: [],
        trace: { write: () => undefined },
        events: new Set(),
        tier: 'interpreter',
        filter: true,
        hostBytesMax,
        onConsole: () => undefined,
      });
    expect(run(needed - 1)).toMatchObject({
      kind: 'refusal',
      message: expect.stringContaining('of host memory, and may take') as string,
      remedy: 'raise --host-memory, or give the guest less with mem=',
    });
    expect(run(needed).kind).toBe('result');
  });

  it('ends a run that takes too much, with what to do about it', () => {
    expect(() => {
      new HostMemoryGuard(1).look();
    }).toThrow(/host memory, and may take 1 MiB/);
    expect(() => {
      new HostMemoryGuard(undefined).look();
    }).not.toThrow();
  });
});
