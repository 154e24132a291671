/** seccomp=on costs what a real kernel's filter costs, a filter by what it executes, and changes nothing else. */
import { describe, expect, it } from 'vitest';
import {
  Bpf,
  type BpfInstruction,
  isSound,
  runProgram,
} from '../../../machine/linux/net/core/filter.ts';
import { alwaysAllows } from '../../../machine/linux/kernel/seccomp.ts';
import { ALLOW_ALL } from '../../../machine/linux/kernel/seccomp-syscalls.ts';
import { callsOf, runWorkload } from './run-words.ts';

const CALLS = 100;

describe('the word', () => {
  const storm = (words: string): ReturnType<typeof runWorkload> =>
    runWorkload(
      'syscall-storm',
      { call: 'getppid', operations: String(CALLS), warmup: '0' },
      { words, events: ['syscalls'] },
    );
  const off = storm('');
  const on = storm('seccomp=on');

  it('makes every system call pass a filter, whose answer is cached', () => {
    expect(callsOf(off, '__secure_computing')).toBe(0);
    expect(callsOf(on, '__secure_computing')).toBe(on.rows['syscalls']);
    expect(callsOf(on, 'bpf_prog_seccomp')).toBe(0);
  });

  it('costs 138 instructions a call, as counted on a real kernel', () => {
    const more = on.result.kernelInstructions - off.result.kernelInstructions;
    const thunks = (4 * 3 + 0) * on.rows['syscalls'];
    expect(more).toBeGreaterThanOrEqual(138 * on.rows['syscalls']);
    expect(more).toBeLessThanOrEqual(138 * on.rows['syscalls'] + thunks);
  });

  it('changes nothing that the program does', () => {
    expect(on.output).toBe(off.output);
    expect(on.rows).toEqual(off.rows);
    expect(on.result.userInstructions).toBe(off.result.userInstructions);
  });
});

const step = (code: number, k: number, jt = 0, jf = 0): BpfInstruction => ({ code, jt, jf, k });

describe('classic BPF', () => {
  const data = Uint32Array.of(39, 7, 0, 0, ...new Array<number>(12).fill(5));

  it('costs what it executes', () => {
    const short = [step(Bpf.RET_K, 1)];
    const long = [...new Array<BpfInstruction>(20).fill(step(Bpf.LD_W_ABS, 0)), ...short];
    const cost = (program: readonly BpfInstruction[]): number =>
      runProgram(program, data).instructions;
    expect(cost(long) - cost(short)).toBe(20);
    const jump = [step(Bpf.JA, 20), ...long];
    expect(cost(jump)).toBe(cost(short) + 1);
  });

  it.each<[string, BpfInstruction[], number]>([
    ['division by a register that is 0', [step(Bpf.DIV_X, 0), step(Bpf.RET_K, 9)], 0],
    ['unsigned wrap', [step(Bpf.SUB_K, 1), step(Bpf.RSH_K, 31), step(Bpf.RET_A, 0)], 1],
    ['negation', [step(Bpf.LD_IMM, 1), step(Bpf.NEG, 0), step(Bpf.RET_A, 0)], 0xffffffff],
    ['length', [step(Bpf.LD_W_LEN, 0), step(Bpf.RET_A, 0)], 64],
    [
      'comparison is unsigned',
      [
        step(Bpf.LD_IMM, 0x80000000),
        step(Bpf.JGT_K, 1, 0, 1),
        step(Bpf.RET_K, 1),
        step(Bpf.RET_K, 2),
      ],
      1,
    ],
    [
      'memory',
      [
        step(Bpf.LDX_IMM, 6),
        step(Bpf.STX, 2),
        step(Bpf.LD_MEM, 2),
        step(Bpf.MUL_X, 0),
        step(Bpf.RET_A, 0),
      ],
      36,
    ],
  ])('%s', (_what, program, expected) => {
    expect(isSound(program, 64)).toBe(true);
    expect(runProgram(program, data).value).toBe(expected);
  });

  it('knows which calls are always allowed', () => {
    expect(alwaysAllows(ALLOW_ALL, 39)).toBe(true);
    const byArgument = [step(Bpf.LD_W_ABS, 16), step(Bpf.RET_K, 0x7fff0000)];
    expect(alwaysAllows(byArgument, 39)).toBe(false);
    const one = [
      step(Bpf.LD_W_ABS, 0),
      step(Bpf.JEQ_K, 39, 0, 1),
      step(Bpf.RET_K, 0x7fff0000),
      step(Bpf.RET_K, 0),
    ];
    expect([38, 39].map((number) => alwaysAllows(one, number))).toEqual([false, true]);
  });
});
