import { describe, expect, test } from 'vitest';
import { address, dword, qword, registers } from '../../../workloads/lib/assembly.ts';
import type { Guest } from '../../../workloads/lib/guest.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';
import { findVdsoFunction } from '../../../workloads/lib/vdso-lookup.ts';
import { WHY_NOT_NATIVE, runNatively } from '../linux/run-natively.ts';

const { rax, eax, rbx, rcx, rdx, rdi, rsi, rsp, r12 } = registers;

const run = (emit: (guest: Guest) => void): ReturnType<typeof runNatively> =>
  runNatively(buildExecutable(0, emit).bytes);

describe.skipIf(WHY_NOT_NATIVE !== undefined)('guest programs on a real kernel', () => {
  test('main returns the exit status', () => {
    expect(run(({ asm }) => asm.mov(eax, 42))).toMatchObject({ status: 42, stdout: '' });
  });

  test('decimal numbers up to 2^64 - 1', () => {
    const numbers = [0n, 7n, 10n, 999n, 1000n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n];
    const { stdout } = run((guest) => {
      for (const number of numbers) {
        guest.asm.mov(rbx, number);
        guest.printDecimal(rbx);
        guest.print('\n');
      }
    });
    expect(stdout).toBe(numbers.map((number) => `${number}\n`).join(''));
  });

  test('text in UTF-8', () => {
    expect(run((guest) => guest.print('5 µs – ok\n')).stdout).toBe('5 µs – ok\n');
  });

  test('repeat runs its body so many times, and not at all for 0', () => {
    const { stdout } = run((guest) => {
      guest.asm.xor(eax, eax);
      guest.asm.mov(r12, rax);
      guest.repeat(rbx, 1000, () => guest.asm.add(r12, 3));
      guest.repeat(rbx, 0, () => guest.asm.ud2());
      guest.printDecimal(r12);
    });
    expect(stdout).toBe('3000');
  });

  test('the stack is aligned for calls and holds argc', () => {
    const { stdout } = run((guest) => {
      const { asm } = guest;
      asm.mov(rbx, rsp);
      asm.and(rbx, 15);
      guest.printDecimal(rbx);
      asm.mov(rcx, qword(guest.initialStack));
      asm.mov(rbx, qword(rcx));
      guest.printDecimal(rbx);
    });
    expect(stdout).toBe('01');
  });

  test('loads choose the right values', () => {
    const values = [0, 1, -1, 2 ** 31, 2 ** 32 - 1, 2n ** 32n, -(2 ** 31), -(2n ** 31n) - 1n];
    const { stdout } = run((guest) => {
      for (const value of values) {
        guest.load(rbx, value);
        guest.printDecimal(rbx);
        guest.print(' ');
      }
    });
    const expected = values.map((value) => `${BigInt.asUintN(64, BigInt(value))} `);
    expect(stdout).toBe(expected.join(''));
  });

  test('the vDSO has the functions it has, and no others', () => {
    const names = [
      '__vdso_clock_gettime',
      'time',
      '__vdso_getcpu',
      'LINUX_2.6',
      'tim',
      'timer',
      '',
    ];
    const { stdout } = run((guest) => {
      for (const name of names) {
        findVdsoFunction(guest, name);
        guest.asm.test(rax, rax);
        guest.asm.setne(registers.bl);
        guest.asm.movzx(registers.ebx, registers.bl);
        guest.printDecimal(rbx);
      }
    });
    expect(stdout).toBe('1110000');
  });

  test('without a vDSO in auxv the search ends with 0', () => {
    const { stdout } = run((guest) => {
      const { asm } = guest;
      // argc 0, argv NULL, environment NULL, AT_PAGESZ, AT_NULL.
      const stack = guest.variable('forged_stack', 7 * 8);
      asm.mov(qword(stack, 24), 6);
      asm.mov(qword(stack, 32), 4096);
      asm.lea(rcx, address(stack));
      asm.mov(qword(guest.initialStack), rcx);
      findVdsoFunction(guest, '__vdso_time');
      guest.printDecimal(rax);
    });
    expect(stdout).toBe('0');
  });
});

describe('mistakes in programs', () => {
  test('an argument that an earlier one overwrites', () => {
    const wrong = (guest: Guest): void => guest.syscall('write', 1, rdi, rdx);
    expect(() => buildExecutable(0, wrong)).toThrow(/argument 1 of write needs rdi/);
    const memory = (guest: Guest): void => guest.syscall('write', 1, 0, dword(rsi));
    expect(() => buildExecutable(0, memory)).toThrow(/argument 2 of write needs rsi/);
  });

  test('a phase that was not declared', () => {
    const wrong = (guest: Guest): void => guest.phase(0, () => undefined);
    expect(() => buildExecutable(0, wrong)).toThrow(/declares no phase 0/);
  });
});
