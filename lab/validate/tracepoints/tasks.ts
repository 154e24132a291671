/** Other tasks that an operation needs: threads of its process, and a process that keeps the CPU busy. */
import { registers } from '../../../workloads/lib/assembly.ts';
import type { Emit } from '../paths/emit.ts';

const { rax, eax } = registers;
const PAGE = 4096;
const STACK = 0x18000000000;
const STACK_PAGES = 4;
/** CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
const THREAD_FLAGS = 0x50f00;

/** A thread that runs `body` for ever. */
export const thread =
  (body: Emit): Emit =>
  (stage) => {
    const { guest } = stage;
    const { asm } = guest;
    const parent = asm.newLabel();
    guest.syscall('mmap', STACK, STACK_PAGES * PAGE, 3, 0x22, -1, 0);
    guest.syscall('clone', THREAD_FLAGS, STACK + STACK_PAGES * PAGE - 64, 0, 0, 0);
    asm.test(eax, eax);
    asm.jne(parent);
    const again = asm.here();
    body(stage);
    asm.jmp(again);
    asm.bind(parent);
  };

/** A process that computes for ever, so that the CPU is never idle; it ends with init. */
export const busyProcess: Emit = ({ guest }) => {
  const { asm } = guest;
  const parent = asm.newLabel();
  guest.syscall('fork');
  asm.test(eax, eax);
  asm.jne(parent);
  const again = asm.here();
  asm.add(rax, 1);
  asm.jmp(again);
  asm.bind(parent);
};

/** Lets the other tasks run until they sleep. */
export const settle: Emit = ({ guest }) => {
  for (let i = 0; i < 3; i++) guest.syscall('sched_yield');
};
