/**
 * One mutex and ever more threads that take it: what does a lock cost alone, and what among others? The
 * mutex is the classic one on a futex with three states (free, taken, taken and waited for): nobody makes
 * a system call until two want it at once. Each phase is one number of threads; the time of a phase is
 * that of all its sections. A lost update ends the program with status 1, a kernel without threads
 * with status 2.
 */
import { dword, qword, registers } from '../lib/assembly.ts';
import type { Label } from '../lib/assembly.ts';
import type { Guest } from '../lib/guest.ts';
import { integer } from '../lib/parameters.ts';
import { defineWorkload } from '../lib/program.ts';

const { rax, eax, ecx, rdx, rsi, rdi, rbx, rbp, r8, r10 } = registers;

const COUNTS: readonly number[] = [1, 2, 3, 4, 6, 8, 12, 16];
const STACK_BYTES = 16384;
/** CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID */
const CLONE_THREAD = 0x350f00;
const FUTEX_WAIT = 0;
const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;
const EVERYBODY = 0x7fffffff;

/** States of the mutex. */
const FREE = 0;
const TAKEN = 1;
const WAITED_FOR = 2;

const countsUpTo = (threads: number): readonly number[] =>
  COUNTS.filter((count) => count <= threads);

interface Shared {
  readonly mutex: Label;
  readonly counter: Label;
  /** Number of the phase whose threads may run. */
  readonly go: Label;
  /** Threads of the phase that have not finished. */
  readonly running: Label;
  readonly tids: Label;
  readonly stacks: Label;
}

/** Takes the mutex. Loses rax, rcx, rdx, rsi, rdi, r10, r11. */
function emitLock({ asm }: Guest, mutex: Label, wait: () => void): void {
  const [taken, contended] = [asm.newLabel(), asm.newLabel()];
  asm.xor(eax, eax);
  asm.mov(ecx, TAKEN);
  asm.lock().cmpxchg(dword(mutex), ecx);
  asm.je(taken);
  asm.bind(contended);
  asm.mov(eax, WAITED_FOR);
  asm.xchg(dword(mutex), eax);
  asm.test(eax, eax);
  asm.je(taken);
  wait();
  asm.jmp(contended);
  asm.bind(taken);
}

function emitUnlock(guest: Guest, mutex: Label): void {
  const { asm } = guest;
  const nobody = asm.newLabel();
  asm.mov(eax, FREE);
  asm.xchg(dword(mutex), eax);
  asm.cmp(eax, WAITED_FOR);
  asm.jne(nobody);
  guest.syscall('futex', mutex, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  asm.bind(nobody);
}

/** `contend()`: one thread's sections of a phase; keeps rbp. */
function contend(guest: Guest, shared: Shared, values: Values): Label {
  const { asm } = guest;
  const { mutex, counter, running } = shared;
  return guest.routine('contend', () => {
    const last = asm.newLabel();
    guest.repeat(rbx, values.operations, () => {
      emitLock(guest, mutex, () => {
        guest.syscall('futex', mutex, FUTEX_WAIT_PRIVATE, WAITED_FOR, 0, 0, 0);
      });
      asm.add(qword(counter), 1);
      emitPause(guest, values.inside);
      emitUnlock(guest, mutex);
      emitPause(guest, values.outside);
    });
    asm.lock().sub(dword(running), 1);
    asm.jne(last);
    guest.syscall('futex', running, FUTEX_WAKE_PRIVATE, EVERYBODY, 0, 0, 0);
    asm.bind(last);
    asm.ret();
  });
}

/** Work of its own: `turns` dependent additions. */
function emitPause(guest: Guest, turns: number): void {
  guest.repeat(rax, turns, () => undefined);
}

/** Sleeps while the word at `label` is `value` in eax. */
function emitSleepWhile(guest: Guest, label: Label, done: (leave: Label) => void): void {
  const { asm } = guest;
  const [again, leave] = [asm.newLabel(), asm.newLabel()];
  asm.bind(again);
  asm.mov(eax, dword(label));
  done(leave);
  guest.load(rdx, rax);
  guest.load(rdi, label);
  guest.load(rsi, FUTEX_WAIT_PRIVATE);
  guest.load(r10, 0);
  guest.syscall('futex');
  asm.jmp(again);
  asm.bind(leave);
}

/** Starts `count` - 1 threads, which wait for phase number `phase`. */
function emitThreads(
  guest: Guest,
  shared: Shared,
  { count, phase, body, failed }: { count: number; phase: number; body: Label; failed: Label },
): void {
  const { asm } = guest;
  for (let thread = 1; thread < count; thread++) {
    const parent = asm.newLabel();
    asm.lea(rsi, qword(shared.stacks, thread * STACK_BYTES));
    asm.lea(rdx, dword(shared.tids, 4 * thread));
    asm.mov(r10, rdx);
    guest.load(rdi, CLONE_THREAD);
    guest.load(r8, 0);
    guest.syscall('clone');
    asm.test(rax, rax);
    asm.js(failed);
    asm.jne(parent);
    emitSleepWhile(guest, shared.go, (leave) => {
      asm.cmp(eax, phase);
      asm.je(leave);
    });
    asm.call(body);
    guest.syscall('exit', 0);
    asm.ud2();
    asm.bind(parent);
  }
}

/** Waits until the kernel has cleared the number of each thread. */
function emitJoin(guest: Guest, shared: Shared, count: number): void {
  const { asm } = guest;
  for (let thread = 1; thread < count; thread++) {
    const [again, gone] = [asm.newLabel(), asm.newLabel()];
    asm.bind(again);
    asm.mov(eax, dword(shared.tids, 4 * thread));
    asm.test(eax, eax);
    asm.je(gone);
    asm.lea(rdi, dword(shared.tids, 4 * thread));
    asm.mov(rdx, rax);
    guest.load(rsi, FUTEX_WAIT);
    guest.load(r10, 0);
    guest.syscall('futex');
    asm.jmp(again);
    asm.bind(gone);
  }
}

interface Values {
  readonly operations: number;
  readonly inside: number;
  readonly outside: number;
}

export const futexContention = defineWorkload({
  name: 'futex-contention',
  summary: 'one mutex on a futex, taken by ever more threads',
  parameters: {
    threads: integer({
      default: 4,
      min: 1,
      max: 16,
      description: 'most threads of a phase',
    }),
    operations: integer({
      default: 4000,
      min: 1,
      max: 1_000_000_000,
      description: 'sections that each thread enters in each phase',
    }),
    warmup: integer({
      default: 10,
      min: 0,
      max: 1_000_000,
      description: 'sections before the first phase that are not measured',
    }),
    inside: integer({
      default: 50,
      min: 0,
      max: 1_000_000,
      description: 'turns of an empty loop inside the section',
    }),
    outside: integer({
      default: 50,
      min: 0,
      max: 1_000_000,
      description: 'turns of an empty loop between sections',
    }),
  },
  phases: ({ threads, operations }) =>
    countsUpTo(threads).map((count) => ({
      name: `threads=${count}`,
      operations: operations * count,
    })),
  emit(guest, values) {
    const { asm } = guest;
    const counts = countsUpTo(values.threads);
    const most = counts.at(-1) ?? 1;
    const shared: Shared = {
      mutex: guest.variable('mutex', 64),
      counter: guest.variable('counter', 64),
      go: guest.variable('go', 64),
      running: guest.variable('running', 64),
      tids: guest.variable('tids', 4 * (most + 1)),
      stacks: guest.variable('stacks', STACK_BYTES * (most + 1)),
    };
    const body = contend(guest, shared, values);
    const [lost, absent, done] = ['lost', 'absent', 'done'].map((name) => asm.newLabel(name));
    guest.repeat(rbx, values.warmup, () => {
      emitLock(guest, shared.mutex, () => undefined);
      emitUnlock(guest, shared.mutex);
    });
    asm.xor(registers.ebp, registers.ebp);
    for (const [index, count] of counts.entries()) {
      asm.mov(dword(shared.running), count);
      emitThreads(guest, shared, { count, phase: index + 1, body, failed: absent });
      guest.phase(index, () => {
        asm.mov(dword(shared.go), index + 1);
        if (count > 1) {
          guest.syscall('futex', shared.go, FUTEX_WAKE_PRIVATE, EVERYBODY, 0, 0, 0);
        }
        asm.call(body);
        emitSleepWhile(guest, shared.running, (leave) => {
          asm.test(eax, eax);
          asm.je(leave);
        });
      });
      emitJoin(guest, shared, count);
      asm.add(rbp, values.operations * count);
      asm.cmp(qword(shared.counter), rbp);
      asm.jne(lost);
      guest.print(`threads=${count}: ${values.operations * count} sections\n`);
    }
    asm.xor(eax, eax);
    asm.jmp(done);
    asm.bind(absent);
    guest.print('no threads\n');
    asm.mov(eax, 2);
    asm.jmp(done);
    asm.bind(lost);
    guest.print('an update is lost\n');
    asm.mov(eax, 1);
    asm.bind(done);
  },
});
