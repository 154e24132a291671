/**
 * The same user code after calls that reach ever further into the kernel: how much slower is a program
 * because of what its system calls leave behind in caches, TLBs and predictors? Each operation makes one
 * call and then walks the same buffer; phases are ordered by how many lines the call touches. The first
 * phase makes no call. A failed call ends the program with status 1.
 */
import { dword, qword, registers } from '../lib/assembly.ts';
import type { Label } from '../lib/assembly.ts';
import type { Guest } from '../lib/guest.ts';
import { choice, integer } from '../lib/parameters.ts';
import { defineWorkload } from '../lib/program.ts';

const { rax, eax, rdx, rsi, rbx, r12, r13, r15d } = registers;

const FILE = '/tmp/syscall-storm';
const FILE_BYTES = 65536;
const FILE_FLAGS = 0o1102; // O_RDWR | O_CREAT | O_TRUNC
const STAT_BYTES = 144;
const LINE_BYTES = 64;
/** Lines that one turn of the walk reads. */
const UNROLL = 4;

/** What a call's code needs. */
interface Scene {
  readonly guest: Guest;
  readonly path: Label;
  readonly buffer: Label;
  readonly status: Label;
}

/** Adds what shows a failure to r15. */
type EmitCall = (scene: Scene) => void;

/** A call whose result must not be negative. */
function checked({ guest }: Scene): void {
  const { asm } = guest;
  asm.sar(rax, 63);
  asm.or(r15d, eax);
}

/** In order of the lines that they touch. */
const CALLS: Readonly<Record<string, EmitCall>> = {
  none: () => undefined,
  getppid: (scene) => {
    scene.guest.syscall('getppid');
    checked(scene);
  },
  fstat: (scene) => {
    scene.guest.syscall('fstat', r12, scene.status);
    checked(scene);
  },
  stat: (scene) => {
    scene.guest.syscall('stat', scene.path, scene.status);
    checked(scene);
  },
  'open-close': openClose,
  'pread-16k': (scene) => {
    scene.guest.syscall('pread64', r12, scene.buffer, 16384, 0);
    checked(scene);
  },
  'pread-64k': (scene) => {
    scene.guest.syscall('pread64', r12, scene.buffer, FILE_BYTES, 0);
    checked(scene);
  },
};

/** open needs its descriptor in hand to close it again. */
function openClose({ guest, path }: Scene): void {
  const { asm } = guest;
  guest.syscall('open', path, 0);
  asm.mov(r13, rax);
  asm.sar(rax, 63);
  asm.or(r15d, eax);
  guest.syscall('close', r13);
  asm.or(r15d, eax);
}

const NAMES = Object.keys(CALLS);

const chosen = (call: string): readonly string[] => (call === 'all' ? NAMES : [call]);

/** Reads one word of each line of the working set. */
function emitWalk(guest: Guest, workingSet: Label, bytes: number): void {
  const { asm } = guest;
  guest.load(rsi, workingSet);
  guest.load(rdx, bytes / (LINE_BYTES * UNROLL));
  asm.align(16);
  const loop = asm.here();
  for (let line = 0; line < UNROLL; line++) asm.add(rax, qword(rsi, line * LINE_BYTES));
  asm.add(rsi, UNROLL * LINE_BYTES);
  asm.sub(rdx, 1);
  asm.jne(loop);
}

export const syscallStorm = defineWorkload({
  name: 'syscall-storm',
  summary: 'user code after calls with ever larger kernel footprints',
  parameters: {
    call: choice({
      choices: [...NAMES, 'all'],
      default: 'all',
      description: 'which call, or all of them in turn',
    }),
    operations: integer({
      default: 400,
      min: 1,
      max: 1_000_000_000,
      description: 'calls in each phase, each followed by one walk',
    }),
    warmup: integer({
      default: 40,
      min: 0,
      max: 1_000_000_000,
      description: 'operations before each phase that are not measured',
    }),
    kib: integer({
      default: 24,
      min: 1,
      max: 65_536,
      description: 'working set of the user code in KiB',
    }),
  },
  phases: ({ call, operations }) => chosen(call).map((name) => ({ name, operations })),
  emit(guest, values) {
    const { asm } = guest;
    const bytes = values.kib * 1024;
    const workingSet = guest.variable('working_set', bytes);
    const scene: Scene = {
      guest,
      path: guest.constant(FILE).label,
      buffer: guest.variable('buffer', FILE_BYTES),
      status: guest.variable('status', STAT_BYTES),
    };
    const failed = asm.newLabel('failed');
    const done = asm.newLabel('done');
    asm.xor(r15d, r15d);
    guest.syscall('open', scene.path, FILE_FLAGS, 0o600);
    asm.mov(r12, rax);
    guest.syscall('write', r12, scene.buffer, FILE_BYTES);
    asm.cmp(rax, FILE_BYTES);
    asm.jne(failed);
    // Private pages of its own, not the shared page of zeros.
    guest.load(rsi, workingSet);
    guest.repeat(rbx, bytes / LINE_BYTES, () => {
      asm.mov(dword(rsi), 1);
      asm.add(rsi, LINE_BYTES);
    });
    for (const [index, name] of chosen(values.call).entries()) {
      const operation = (): void => {
        CALLS[name](scene);
        emitWalk(guest, workingSet, bytes);
      };
      guest.repeat(rbx, values.warmup, operation);
      guest.phase(index, () => {
        guest.repeat(rbx, values.operations, operation);
      });
      asm.test(r15d, r15d);
      asm.jne(failed);
      guest.print(`${name}: ${values.operations} calls\n`);
    }
    guest.syscall('unlink', scene.path);
    asm.xor(eax, eax);
    asm.jmp(done);
    asm.bind(failed);
    guest.print('a call failed\n');
    asm.mov(eax, 1);
    asm.bind(done);
  },
});
