/** personality: what it answers. */
import { expect, it } from 'vitest';
import { runMachine } from '../../../machine/board/machine.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { registers } from '../../../workloads/lib/assembly.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';

const ADDR_NO_RANDOMIZE = 0x40000;
const ASK = 0xffff_ffff;

it('keeps the flags that it is given, and asking changes nothing', () => {
  const { bytes } = buildExecutable(0, (guest) => {
    const { asm } = guest;
    guest.syscall('personality', ADDR_NO_RANDOMIZE);
    guest.syscall('personality', ASK);
    guest.syscall('personality', ASK);
    asm.shr(registers.eax, 16);
  });
  const result = runMachine({
    board: SIMPLE,
    commandLine: '',
    seed: 1,
    program: { path: '/personality', bytes, argv: ['personality'], env: [] },
    phases: [],
    trace: { write: () => undefined },
    events: new Set(),
    tier: 'interpreter',
    filter: true,
    onConsole: () => undefined,
  });
  if (result.kind === 'refusal') throw new Error(result.message);
  expect(result.exit.status).toBe(ADDR_NO_RANDOMIZE >> 16);
});
