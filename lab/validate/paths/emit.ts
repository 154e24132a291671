/** Pieces of guest code that operations are written with. */
import type { SyscallName } from '../../../machine/linux/include/uapi/asm/unistd-64.ts';
import { address, qword, registers, type Register } from '../../../workloads/lib/assembly.ts';
import type { Argument } from '../../../workloads/lib/guest.ts';
import { operation, type PathOperation, type Stage } from './operation.ts';

export type Emit = (stage: Stage) => void;

/** An argument of a call; `buffer` and `small` stand for the addresses of the two. */
export type Value = Argument | 'buffer' | 'small';

export function call(name: SyscallName, ...args: readonly Value[]): Emit {
  return ({ guest, buffer, small }) => {
    const labels = { buffer, small };
    guest.syscall(name, ...args.map((arg) => (typeof arg === 'string' ? labels[arg] : arg)));
  };
}

/** An operation that is one call. */
export function one(name: string, syscall: SyscallName, ...args: readonly Value[]): PathOperation {
  return operation(name, call(syscall, ...args));
}

/** A call whose result stays in `register`. */
export function keep(register: Register, name: SyscallName, ...args: readonly Value[]): Emit {
  return (stage) => {
    call(name, ...args)(stage);
    stage.guest.asm.mov(register, registers.rax);
  };
}

/** One after the other. */
export function all(...emits: readonly Emit[]): Emit {
  return (stage) => {
    for (const emit of emits) emit(stage);
  };
}

/** open() of a path, the descriptor in `register`. */
export function open(register: Register, path: string, flags = 0, mode = 0): Emit {
  return (stage) => {
    stage.guest.syscall('open', stage.path(path), flags, mode);
    stage.guest.asm.mov(register, registers.rax);
  };
}

/** A call whose first argument is a path. */
export function pathCall(name: SyscallName, path: string, ...args: readonly Value[]): Emit {
  return (stage) => {
    const { buffer, small } = stage;
    const labels = { buffer, small };
    const values = args.map((arg) => (typeof arg === 'string' ? labels[arg] : arg));
    stage.guest.syscall(name, stage.path(path), ...values);
  };
}

/** Stores 64-bit words at the start of `small`. */
export function setWords(...words: readonly number[]): Emit {
  return ({ guest, small }) => {
    guest.load(registers.rax, small);
    words.forEach((word, i) => {
      guest.asm.mov(qword(registers.rax, i * 8), word);
    });
  };
}

/** pipe() with the reading end in r12 and the writing end in r13. */
export const pipe: Emit = ({ guest, small }) => {
  const { r12d, r13d, rax } = registers;
  guest.syscall('pipe', small);
  guest.load(rax, small);
  guest.asm.mov(r12d, { ...qword(rax), bytes: 4 });
  guest.asm.mov(r13d, { ...qword(rax, 4), bytes: 4 });
};

/** Installs a handler with SA_SIGINFO. */
export function handleSignal({ guest }: Stage, signal: number, body: () => void): void {
  const { asm } = guest;
  const { rsp, rbx, eax } = registers;
  const SA_SIGINFO_RESTORER = 0x4000004;
  const RT_SIGRETURN = 15;
  const handler = guest.routine(`handler ${signal}`, () => {
    body();
    asm.ret();
  });
  const restorer = guest.routine(`restorer ${signal}`, () => {
    asm.mov(eax, RT_SIGRETURN);
    asm.syscall();
  });
  asm.push(0);
  asm.lea(rbx, address(restorer));
  asm.push(rbx);
  asm.push(SA_SIGINFO_RESTORER);
  asm.lea(rbx, address(handler));
  asm.push(rbx);
  guest.syscall('rt_sigaction', signal, rsp, 0, 8);
  asm.add(rsp, 32);
}
