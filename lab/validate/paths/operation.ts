/**
 * A kernel operation as guest code, and the program that repeats it: prepared six times to warm up,
 * then seven times more, each alone in a phase, as the real kernel was counted.
 */
import { qword, registers, type Label } from '../../../workloads/lib/assembly.ts';
import type { Guest } from '../../../workloads/lib/guest.ts';
import { buildExecutable } from '../../../workloads/lib/program.ts';

export const WARM_UPS = 6;
export const REPETITIONS = 7;
const PAGE = 4096;

/** What an operation's code can use. rbx, rbp and r12 to r14 are its own; r15 counts repetitions. */
export interface Stage {
  readonly guest: Guest;
  /** 16 pages that have been written. */
  readonly buffer: Label;
  /** 16 bytes for a timespec or the like. */
  readonly small: Label;
  /** Address of a path in read-only memory. */
  readonly path: (text: string) => Label;
}

type Emit = (stage: Stage) => void;

export interface PathOperation {
  /** The data set's name. */
  readonly name: string;
  /** Once, at the start. */
  readonly setup?: Emit;
  /** Before each repetition, not counted. */
  readonly before?: Emit;
  readonly measured: Emit;
  /** After each repetition, not counted. */
  readonly after?: Emit;
  /** It sleeps until a timer fires: the idle task and the timer's interrupt belong to it. */
  readonly sleeps?: boolean;
}

/** Shorthand for an operation that is one thing to do. */
export function operation(
  name: string,
  measured: Emit,
  around: Omit<PathOperation, 'name' | 'measured'> = {},
): PathOperation {
  return { name, measured, ...around };
}

export interface CountingProgram {
  readonly bytes: Uint8Array;
  readonly phases: readonly string[];
}

/** The program that runs `operation`; its phases are the counted repetitions. */
export function countingProgram(operation: PathOperation): CountingProgram {
  const { bytes } = buildExecutable(REPETITIONS, (guest) => {
    emitProgram(guest, operation);
  });
  return { bytes, phases: Array.from({ length: REPETITIONS }, (_, i) => `repetition ${i}`) };
}

function emitProgram(guest: Guest, operation: PathOperation): void {
  const { asm } = guest;
  const paths = new Map<string, Label>();
  const stage: Stage = {
    guest,
    buffer: guest.variable('buffer', 16 * PAGE),
    small: guest.variable('small', 64),
    path: (text) => {
      const known = paths.get(text) ?? guest.constant(text).label;
      paths.set(text, known);
      return known;
    },
  };
  emitCrowd(guest);
  guest.syscall('rseq', RSEQ_AREA, 32, 0, RSEQ_SIGNATURE);
  touchBuffer(stage);
  operation.setup?.(stage);
  const before = guest.routine('before_each', () => {
    operation.before?.(stage);
    asm.ret();
  });
  const after = guest.routine('after_each', () => {
    operation.after?.(stage);
    asm.ret();
  });
  const once = guest.routine('measured_once', () => {
    operation.measured(stage);
    asm.ret();
  });
  guest.repeat(registers.r15, WARM_UPS, () => {
    asm.call(before);
    asm.call(once);
    asm.call(after);
  });
  for (let i = 0; i < REPETITIONS; i++) {
    asm.call(before);
    guest.phase(i, () => {
      operation.measured(stage);
    });
    asm.call(after);
  }
  asm.xor(registers.eax, registers.eax);
}

/** In a page of the crowd that can be written; glibc registers such an area when a program starts. */
const RSEQ_AREA = 0x7000010000;
const RSEQ_SIGNATURE = 0x53053053;

/** Mappings such as the counted process had: enough for a tree of two levels. */
function emitCrowd(guest: Guest): void {
  const PRIVATE_ANONYMOUS = 0x22;
  for (let i = 0; i < 6; i++) {
    const prot = (i % 2) * 2 + 1;
    guest.syscall('mmap', 0x7000000000 + i * 0x10000, PAGE, prot, PRIVATE_ANONYMOUS, -1, 0);
  }
}

function touchBuffer({ guest, buffer }: Stage): void {
  const { asm } = guest;
  const { rax, rcx, ecx } = registers;
  guest.load(rax, buffer);
  asm.mov(ecx, 16);
  const page = asm.here();
  asm.mov(qword(rax), 0);
  asm.add(rax, PAGE);
  asm.sub(rcx, 1);
  asm.jne(page);
}
