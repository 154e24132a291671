/**
 * What CPUs do to each other: contended counters, locks, messages, shared lines. Each program runs on
 * every CPU, with r14 its number and r15 how many there are, and ends at marker 1.
 */
import { dword, qword, registers } from '../../../../machine/hardware/cpu/assembler.ts';
import type { Assembler } from '../../../../machine/hardware/cpu/assembler.ts';
import { HEAP } from '../../../bench/loops.ts';
import { CODE } from '../jit/rig.ts';
import { marker } from './smp-rig.ts';

const { rax, rbx, rcx, rdx, rdi, rsi, r8, r14, r15, eax } = registers;

export type Program = (asm: Assembler, rounds: number) => void;

/** Word 0 of the heap is the counter. */
function repeated(asm: Assembler, rounds: number, body: () => void): void {
  asm.mov(rdi, HEAP);
  asm.mov(rcx, rounds);
  const again = asm.here();
  body();
  asm.sub(rcx, 1);
  asm.jne(again);
  marker(asm);
}

const work = (asm: Assembler, cycles: number): void => {
  asm.mov(rdx, cycles);
  const again = asm.here();
  asm.sub(rdx, 1);
  asm.jne(again);
};

export const COUNTERS: Readonly<Record<string, Program>> = {
  'lock inc': (asm, rounds) => {
    repeated(asm, rounds, () => {
      asm.lock().inc(qword(rdi));
    });
  },
  'lock xadd': (asm, rounds) => {
    repeated(asm, rounds, () => {
      asm.mov(eax, 1);
      asm.lock().xadd(qword(rdi), rax);
    });
  },
  'lock cmpxchg': (asm, rounds) => {
    repeated(asm, rounds, () => {
      const retry = asm.here();
      asm.mov(rax, qword(rdi));
      asm.mov(rbx, rax);
      asm.add(rbx, 1);
      asm.lock().cmpxchg(qword(rdi), rbx);
      asm.jne(retry);
    });
  },
  'spinlock with pause': (asm, rounds) => {
    spinlock(asm, rounds, true);
  },
  'spinlock without pause': (asm, rounds) => {
    spinlock(asm, rounds, false);
  },
  'ticket lock': (asm, rounds) => {
    repeated(asm, rounds, () => {
      const [spin, mine] = [asm.newLabel('spin'), asm.newLabel('mine')];
      asm.mov(eax, 1);
      asm.lock().xadd(qword({ base: rdi, offset: 64 }), rax);
      asm.bind(spin);
      asm.cmp(rax, qword({ base: rdi, offset: 128 }));
      asm.je(mine);
      asm.pause();
      asm.jmp(spin);
      asm.bind(mine);
      asm.add(qword(rdi), 1);
      work(asm, 40);
      asm.add(qword({ base: rdi, offset: 128 }), 1);
      work(asm, 100);
    });
  },
};

/** A lock at word 8; what it guards is a plain counter at word 0. */
function spinlock(asm: Assembler, rounds: number, pauses: boolean): void {
  repeated(asm, rounds, () => {
    const [spin, entry, mine] = ['spin', 'entry', 'mine'].map((name) => asm.newLabel(name));
    asm.jmp(entry);
    asm.bind(spin);
    if (pauses) asm.pause();
    asm.bind(entry);
    asm.cmp(dword({ base: rdi, offset: 64 }), 0);
    asm.jne(spin);
    asm.mov(eax, 1);
    asm.xchg(dword({ base: rdi, offset: 64 }), eax);
    asm.test(eax, eax);
    asm.jne(spin);
    asm.bind(mine);
    asm.add(qword(rdi), 1);
    work(asm, 60);
    asm.mov(dword({ base: rdi, offset: 64 }), 0);
    work(asm, 150);
  });
}

/** CPU 0 hands a number to the next CPU and so on round; plain loads and stores of word 8. */
export function messages(pauses: boolean): Program {
  return (asm, rounds) => {
    asm.mov(rdi, HEAP);
    asm.mov(rsi, r14);
    asm.mov(r8, BigInt(rounds));
    const turn = asm.here();
    const mine = asm.newLabel('mine');
    const spin = asm.here();
    asm.cmp(qword({ base: rdi, offset: 64 }), rsi);
    asm.je(mine);
    if (pauses) asm.pause();
    asm.jmp(spin);
    asm.bind(mine);
    asm.add(qword(rdi), 1);
    work(asm, 30);
    asm.mov(rax, rsi);
    asm.add(rax, 1);
    asm.mov(qword({ base: rdi, offset: 64 }), rax);
    asm.add(rsi, r15);
    asm.sub(r8, 1);
    asm.jne(turn);
    marker(asm);
  };
}

/** Every CPU adds to a word of its own; the words are `distance` bytes apart. */
export function neighbours(distance: number): Program {
  return (asm, rounds) => {
    asm.mov(rax, r14);
    asm.imul(rax, rax, distance);
    asm.mov(rdi, HEAP);
    asm.add(rdi, rax);
    asm.mov(rcx, rounds);
    const again = asm.here();
    asm.add(qword(rdi), 1);
    work(asm, 20);
    asm.sub(rcx, 1);
    asm.jne(again);
    marker(asm);
  };
}

/** CPU 0 counts in one line and waits for CPU 1 to repeat each number in another. */
export const exchange: Program = (asm, rounds) => {
  const there = { base: rdi };
  const back = { base: rdi, offset: 64 };
  const [echo, done] = [asm.newLabel('echo'), asm.newLabel('done')];
  asm.mov(rdi, HEAP);
  asm.mov(rcx, 1);
  asm.cmp(r14, 0);
  asm.jne(echo);
  const say = asm.here();
  asm.mov(qword(there), rcx);
  const wait = asm.here();
  asm.cmp(qword(back), rcx);
  asm.jne(wait);
  asm.add(rcx, 1);
  asm.cmp(rcx, rounds);
  asm.jle(say);
  asm.jmp(done);
  asm.bind(echo);
  const hear = asm.here();
  asm.cmp(qword(there), rcx);
  asm.jne(hear);
  asm.mov(qword(back), rcx);
  asm.add(rcx, 1);
  asm.cmp(rcx, rounds);
  asm.jle(hear);
  asm.bind(done);
  marker(asm);
};

/** CPU 1 calls a function until it returns 77; CPU 0 waits a while and patches the function. */
export const patching = (asm: Assembler): void => {
  const [writer, patched] = [asm.newLabel('writer'), asm.newLabel('patched')];
  asm.cmp(r14, 0);
  asm.je(writer);
  const loop = asm.here();
  asm.call(patched);
  asm.cmp(rax, 77);
  asm.jne(loop);
  marker(asm);
  asm.bind(writer);
  work(asm, 30_000);
  asm.mov(dword({ offset: Number(CODE) + 0x1001 }), 77);
  marker(asm);
  asm.align(4096);
  asm.bind(patched);
  asm.mov(eax, 5);
  asm.ret();
};
