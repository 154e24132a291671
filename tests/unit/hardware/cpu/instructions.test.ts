/** Instructions that cannot be recorded on a real processor, because the answer is the machine's own. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Cpu, ExitReason } from '../../../../machine/hardware/layout.ts';
import { BareMachine, InterpreterExecutor } from '../../../conformance/isa/bare-machine.ts';
import { CODE, inputState, WINDOW } from '../../../conformance/isa/inputs.ts';

const [RAX, RCX, RDX, RBX, R11] = [0, 1, 2, 3, 11];
const INVALID_OPCODE = 6;
const SYSCALL = '0f05';

let machine: BareMachine;
let executor: InterpreterExecutor;

beforeEach(() => {
  machine = new BareMachine();
  executor = new InterpreterExecutor(machine);
  machine.load(inputState(1), CODE);
});

/** Runs code given in hexadecimal from the state that the test has prepared. */
function run(hex: string): ExitReason {
  machine.fetchBytes(CODE, 64).set(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return executor.run(machine);
}

function field(offset: Cpu): number {
  return machine.linear.i32[(machine.block + offset) >> 2];
}

function setField(offset: Cpu, value: number): void {
  machine.linear.i32[(machine.block + offset) >> 2] = value;
}

function register(index: number): bigint {
  return machine.state.register(index);
}

test('syscall leaves the return address in rcx and rflags in r11', () => {
  machine.state.rflags = 0x6d7n;
  expect(run(SYSCALL)).toBe(ExitReason.SYSCALL);
  expect(register(RCX)).toBe(CODE + 2n);
  expect(register(R11)).toBe(0x6d7n);
  expect(machine.state.rip).toBe(CODE + 2n);
});

test('a marker NOP exits with its number, another long NOP does not', () => {
  expect(run('0f1f840002004344 0f1f84000300434c')).toBe(ExitReason.MARKER);
  expect(field(Cpu.EXIT_INFO)).toBe(3);
  expect(machine.state.rip).toBe(CODE + 16n);
});

describe('cpuid', () => {
  test('says AuthenticAMD', () => {
    machine.state.setRegister(RAX, 0n);
    run(`0fa2 ${SYSCALL}`);
    const text = Buffer.alloc(12);
    [RBX, RDX].forEach((index, n) => text.writeUInt32LE(Number(register(index)), n * 4));
    expect(text.toString('latin1', 0, 8)).toBe('Authenti');
  });

  test('has SSE2 and SSE3, but neither SSSE3 nor OSXSAVE nor AVX', () => {
    machine.state.setRegister(RAX, 1n);
    run(`0fa2 89ce ${SYSCALL}`); // mov esi, ecx: syscall replaces rcx
    const [ecx, edx] = [Number(register(6)), Number(register(RDX))];
    expect((edx >> 26) & 1).toBe(1);
    expect(ecx & 1).toBe(1);
    for (const bit of [9, 19, 20, 23, 27, 28]) expect((ecx >>> bit) & 1).toBe(0);
  });
});

test('rdtsc starts a block and counts the ticks before it', () => {
  const { linear, block } = machine;
  linear.i32[(block + Cpu.TSC_NUMERATOR) >> 2] = 1;
  linear.i32[(block + Cpu.TSC_DENOMINATOR) >> 2] = 64;
  linear.i64[(block + Cpu.TSC_OFFSET) >> 3] = 1000n << 32n;
  // rdtsc; mov ebx, eax; four NOPs; rdtsc; syscall
  run(`0f31 89c3 90909090 0f31 ${SYSCALL}`);
  expect(register(RDX)).toBe(1000n);
  // The first rdtsc, the move and the NOPs take one cycle each; their misses come on top.
  expect(register(RAX) - register(RBX)).toBeGreaterThanOrEqual(6n);
});

test('rdtscp, rdpid and lsl report the CPU number', () => {
  setField(Cpu.TSC_AUX, 7);
  setField(Cpu.TSC_DENOMINATOR, 1);
  // rdtscp; mov esi, ecx; rdpid rdi; mov ebp, 0x7b; lsl edx, ebp
  run(`0f01f9 89ce f30fc7ff bd7b000000 0f03d5 ${SYSCALL}`);
  expect([register(6), register(7), register(RDX)]).toEqual([7n, 7n, 7n]);
});

test('tzcnt and lzcnt execute as bsf and bsr', () => {
  machine.state.setRegister(RAX, 0x1234n);
  machine.state.setRegister(RCX, 0n);
  machine.state.setRegister(RDX, 0x50n);
  // tzcnt rax, rcx (leaves rax alone); tzcnt rbx, rdx; lzcnt rsi, rdx
  run(`f3480fbcc1 f3480fbcda f3480fbdf2 ${SYSCALL}`);
  expect([register(RAX), register(RBX), register(6)]).toEqual([0x1234n, 4n, 6n]);
});

test('rdsspq is a NOP', () => {
  machine.state.setRegister(RAX, 0x77n);
  run(`f3480f1ec8 ${SYSCALL}`);
  expect(register(RAX)).toBe(0x77n);
});

test.each([
  ['popcnt', 'f3480fb8c1'],
  ['xgetbv', '0f01d0'],
  ['vaddps', 'c5f058c2'],
  ['pshufb', '660f3800c1'],
  ['rdrand', '0fc7f0'],
  ['wrfsbase', 'f3480faed0'],
  ['32-bit system call', 'cd80'],
  ['a byte that means nothing', '06'],
])('%s is an invalid opcode, after the instructions before it', (_, hex) => {
  machine.state.setRegister(RAX, 0n);
  expect(run(`48ffc0 ${hex}`)).toBe(ExitReason.EXCEPTION);
  expect(field(Cpu.EXIT_INFO)).toBe(INVALID_OPCODE);
  expect(machine.state.rip).toBe(CODE + 3n);
  expect(register(RAX)).toBe(1n);
});

test('fxsave and fxrstor carry the whole float state', () => {
  const before = Buffer.from(
    machine.linear.u8.slice(machine.block + Cpu.XMM, machine.block + Cpu.XMM + 256),
  );
  const top = machine.linear.data.getBigUint64(machine.block + Cpu.X87_REGISTERS, true);
  machine.state.setRegister(RBX, 0x10000200n);
  // fxsave64 [rbx]; pxor xmm0..1; fninit; fxrstor64 [rbx]
  expect(run(`480fae03 660fefc0 660fefc9 dbe3 480fae0b ${SYSCALL}`)).toBe(ExitReason.SYSCALL);
  const after = Buffer.from(
    machine.linear.u8.slice(machine.block + Cpu.XMM, machine.block + Cpu.XMM + 256),
  );
  expect(after.equals(before)).toBe(true);
  expect(machine.linear.data.getBigUint64(machine.block + Cpu.X87_REGISTERS, true)).toBe(top);
  expect(field(Cpu.X87_TAG)).not.toBe(0);
});

test('ldmxcsr decides how the next addition rounds', () => {
  const { linear, block } = machine;
  linear.data.setFloat64(block + Cpu.XMM, 1, true);
  linear.data.setFloat64(block + Cpu.XMM + 16, 2 ** -60, true);
  machine.guest(WINDOW, 4).set([0x80, 0x5f, 0, 0]); // upwards
  machine.state.setRegister(RBX, WINDOW);
  run(`0fae13 f20f58c1 ${SYSCALL}`);
  expect(linear.data.getFloat64(block + Cpu.XMM, true)).toBe(1 + 2 ** -52);
});

test('a repeated store that faults can be restarted', () => {
  machine.state.setRegister(RCX, 100n);
  machine.state.setRegister(7, 0x10001ff0n);
  expect(run('f3aa')).toBe(ExitReason.PAGE_FAULT);
  expect([register(RCX), register(7)]).toEqual([84n, 0x10002000n]);
  expect(machine.state.rip).toBe(CODE);
  expect(machine.linear.u64[(machine.block + Cpu.EXIT_ADDRESS) >> 3]).toBe(0x10002000n);
});
