import { expect, test } from 'vitest';
import { FlatMachine } from './flat-machine.ts';
import { ExitReason } from '../../../../machine/hardware/layout.ts';

test('a loop that sums 1..10, then syscall', () => {
  const machine = new FlatMachine();
  // mov ecx, 10; xor eax, eax; again: add rax, rcx; dec rcx; jnz again; syscall
  const code = [0xb9, 10, 0, 0, 0, 0x31, 0xc0, 0x48, 0x01, 0xc8, 0x48, 0xff, 0xc9, 0x75, 0xf8, 0x0f, 0x05];
  machine.guest(0x1000n, 64).set(code);
  expect(machine.run(0x1000n)).toBe(ExitReason.SYSCALL);
  expect(machine.register(0)).toBe(55n);
  expect(machine.register(1)).toBe(0x1011n);
  expect(machine.rip).toBe(0x1011n);
});

test('division by zero is a fault at the instruction', () => {
  const machine = new FlatMachine();
  machine.guest(0x1000n, 64).set([0x90, 0x48, 0xf7, 0xf1]);
  expect(machine.run(0x1000n)).toBe(ExitReason.EXCEPTION);
  expect(machine.rip).toBe(0x1001n);
});
