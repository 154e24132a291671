/**
 * NOPs through io_uring in batches of growing size: how far does sharing one system call among many
 * operations carry? In mode `default` each batch is one io_uring_enter; in mode `sqpoll` a kernel thread
 * takes the entries and the program watches the completions. A missing or failed completion ends the
 * program with status 1, a kernel without io_uring with status 2.
 */
import { byte, dword, qword, registers } from '../lib/assembly.ts';
import type { Label } from '../lib/assembly.ts';
import type { Guest } from '../lib/guest.ts';
import { choice, integer } from '../lib/parameters.ts';
import { defineWorkload } from '../lib/program.ts';

const { rax, eax, ecx, edx, rdx, rsi, esi, rdi, rbx, rbp, r12, r13, r14, r15 } = registers;
const { r15d, r8, r9d, r9 } = registers;

const ENTRIES = 512;
const SQE_BYTES_LOG = 6;
const CQE_BYTES_LOG = 4;
const PARAMS_BYTES = 120;
const SHARED_POPULATE = 0x8001;
const PROT_READ_WRITE = 3;
const OFF_SQES = 0x10000000;
const SETUP_SQPOLL = 2;
const ENTER_GETEVENTS = 1;
const ENTER_SQ_WAKEUP = 2;
const SQ_NEED_WAKEUP = 1;
/** Looks at the completions before the program sleeps for them. */
const SPINS_MAX = 100_000;
/** Enough for every layout of the rings of 512 and 1,024 entries. */
const RING_BYTES = 32 * 1024;

/** Offsets in struct io_uring_params of the offsets of the rings' fields. */
const Params = {
  FLAGS: 8,
  SQ_THREAD_IDLE: 16,
  SQ_TAIL: 40 + 4,
  SQ_MASK: 40 + 8,
  SQ_FLAGS: 40 + 16,
  SQ_ARRAY: 40 + 24,
  CQ_HEAD: 80,
  CQ_TAIL: 80 + 4,
  CQ_MASK: 80 + 8,
  CQ_CQES: 80 + 20,
} as const;

const BATCHES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const MODES = ['default', 'sqpoll'] as const;
type Mode = (typeof MODES)[number];

interface Measurement {
  readonly mode: Mode;
  readonly batch: number;
}

const measurements = (mode: Mode | 'both'): Measurement[] =>
  (mode === 'both' ? MODES : [mode]).flatMap((each) =>
    BATCHES.map((batch) => ({ mode: each, batch })),
  );

const rounds = (operations: number, batch: number): number => Math.ceil(operations / batch);

/** Addresses in the rings, found once for each ring. */
const FIELDS = {
  sqTail: Params.SQ_TAIL,
  sqFlags: Params.SQ_FLAGS,
  sqArray: Params.SQ_ARRAY,
  cqHead: Params.CQ_HEAD,
  cqTail: Params.CQ_TAIL,
  cqes: Params.CQ_CQES,
} as const;

type Fields = Readonly<Record<keyof typeof FIELDS, Label>>;

/** Makes a ring: descriptor in r12, entries in r13, the fields' addresses in `fields`. */
function emitSetup(
  guest: Guest,
  { fields, params, mode, failed }: { fields: Fields; params: Label; mode: Mode; failed: Label },
): void {
  const { asm } = guest;
  for (let at = 0; at < PARAMS_BYTES; at += 8) asm.mov(qword(params, at), 0);
  asm.mov(dword(params, Params.FLAGS), mode === 'sqpoll' ? SETUP_SQPOLL : 0);
  guest.syscall('io_uring_setup', ENTRIES, params);
  asm.test(rax, rax);
  asm.js(failed);
  asm.mov(r12, rax);
  guest.syscall('mmap', 0, RING_BYTES, PROT_READ_WRITE, SHARED_POPULATE, r12, 0);
  asm.mov(r14, rax);
  guest.syscall(
    'mmap',
    0,
    ENTRIES << SQE_BYTES_LOG,
    PROT_READ_WRITE,
    SHARED_POPULATE,
    r12,
    OFF_SQES,
  );
  asm.mov(r13, rax);
  for (const [name, offset] of Object.entries(FIELDS)) {
    asm.mov(eax, dword(params, offset));
    asm.add(rax, r14);
    asm.mov(qword(fields[name as keyof Fields]), rax);
  }
  // Entry i is named by slot i of the array, once and for all.
  asm.mov(rdi, qword(fields.sqArray));
  asm.xor(eax, eax);
  const slot = asm.here();
  asm.mov(dword({ base: rdi, index: rax, scale: 4 }), eax);
  asm.add(eax, 1);
  asm.cmp(eax, ENTRIES);
  asm.jne(slot);
}

/** Fills `batch` entries from the tail on and makes them visible. Loses rax, rcx, rdx, rsi, rdi. */
function emitPrepare(guest: Guest, fields: Fields, batch: number): void {
  const { asm } = guest;
  asm.mov(rdi, qword(fields.sqTail));
  asm.mov(esi, dword(rdi));
  asm.xor(edx, edx);
  const entry = asm.here();
  asm.lea(eax, dword({ base: rsi, index: rdx, scale: 1 }));
  asm.and(eax, ENTRIES - 1);
  asm.shl(rax, SQE_BYTES_LOG);
  asm.add(rax, r13);
  // Opcode 0 is NOP; the rest of the entry stays zero.
  asm.mov(byte(rax), 0);
  asm.mov(qword(rax, 32), rdx);
  asm.add(edx, 1);
  asm.cmp(edx, batch);
  asm.jne(entry);
  asm.add(esi, batch);
  asm.mov(dword(rdi), esi);
}

/** With a polling thread: wakes it if it sleeps, and waits for the batch. */
function emitWatch(guest: Guest, fields: Fields, batch: number): void {
  const { asm } = guest;
  const [awake, wait, there] = [asm.newLabel(), asm.newLabel(), asm.newLabel()];
  asm.mfence();
  asm.mov(rax, qword(fields.sqFlags));
  asm.test(dword(rax), SQ_NEED_WAKEUP);
  asm.je(awake);
  guest.syscall('io_uring_enter', r12, batch, 0, ENTER_SQ_WAKEUP, 0, 0);
  asm.bind(awake);
  asm.mov(r8, qword(fields.cqTail));
  asm.mov(r9, qword(fields.cqHead));
  asm.mov(r9d, dword(r9));
  asm.mov(ecx, SPINS_MAX);
  asm.bind(wait);
  asm.mov(eax, dword(r8));
  asm.sub(eax, r9d);
  asm.cmp(eax, batch);
  asm.jae(there);
  asm.pause();
  asm.sub(ecx, 1);
  asm.jne(wait);
  // The thread has no CPU: sleeping lets it have this one.
  guest.syscall('io_uring_enter', r12, 0, batch, ENTER_GETEVENTS, 0, 0);
  asm.bind(there);
}

/** Takes every completion: rbp counts them, r15 gathers failures. */
function emitConsume(guest: Guest, fields: Fields): void {
  const { asm } = guest;
  const [next, done] = [asm.newLabel(), asm.newLabel()];
  asm.mov(rdi, qword(fields.cqHead));
  asm.mov(rdx, qword(fields.cqTail));
  asm.mov(edx, dword(rdx));
  asm.mov(ecx, dword(rdi));
  asm.mov(rsi, qword(fields.cqes));
  asm.bind(next);
  asm.cmp(ecx, edx);
  asm.je(done);
  asm.mov(eax, ecx);
  asm.and(eax, 2 * ENTRIES - 1);
  asm.shl(rax, CQE_BYTES_LOG);
  asm.or(r15d, dword({ base: rsi, index: rax, offset: 8 }));
  asm.add(ecx, 1);
  asm.add(rbp, 1);
  asm.jmp(next);
  asm.bind(done);
  asm.mov(dword(rdi), ecx);
}

function emitBatch(guest: Guest, fields: Fields, { mode, batch }: Measurement): void {
  emitPrepare(guest, fields, batch);
  if (mode === 'default') {
    guest.syscall('io_uring_enter', r12, batch, batch, ENTER_GETEVENTS, 0, 0);
  } else emitWatch(guest, fields, batch);
  emitConsume(guest, fields);
}

export const ioUringBatching = defineWorkload({
  name: 'io-uring-batching',
  summary: 'NOPs through io_uring in batches of growing size',
  parameters: {
    mode: choice({
      choices: [...MODES, 'both'],
      default: 'default',
      description: 'one system call for each batch, a polling thread (needs a second CPU), or both',
    }),
    operations: integer({
      default: 4096,
      min: 1,
      max: 1_000_000_000,
      description: 'NOPs in each phase, rounded up to whole batches',
    }),
    warmup: integer({
      default: 2,
      min: 0,
      max: 1_000_000,
      description: 'batches before each phase that are not measured',
    }),
  },
  phases: ({ mode, operations }) =>
    measurements(mode).map((measurement) => ({
      name: `${measurement.mode}/batch=${measurement.batch}`,
      operations: rounds(operations, measurement.batch) * measurement.batch,
    })),
  emit(guest, values) {
    const { asm } = guest;
    const params = guest.variable('params', PARAMS_BYTES);
    const field = (name: string): Label => guest.variable(`ring_${name}`, 8);
    const fields: Fields = {
      sqTail: field('sq_tail'),
      sqFlags: field('sq_flags'),
      sqArray: field('sq_array'),
      cqHead: field('cq_head'),
      cqTail: field('cq_tail'),
      cqes: field('cqes'),
    };
    const [failed, absent, done] = ['failed', 'absent', 'done'].map((name) => asm.newLabel(name));
    asm.xor(r15d, r15d);
    let ring: Mode | null = null;
    for (const [index, measurement] of measurements(values.mode).entries()) {
      const { mode, batch } = measurement;
      if (mode !== ring) {
        if (ring !== null) guest.syscall('close', r12);
        emitSetup(guest, { fields, params, mode, failed: absent });
        ring = mode;
      }
      const operation = (): void => {
        emitBatch(guest, fields, measurement);
      };
      guest.repeat(rbx, values.warmup, operation);
      asm.xor(registers.ebp, registers.ebp);
      const count = rounds(values.operations, batch);
      guest.phase(index, () => {
        guest.repeat(rbx, count, operation);
      });
      asm.test(r15, r15);
      asm.jne(failed);
      asm.cmp(rbp, count * batch);
      asm.jne(failed);
      guest.print(`${mode}/batch=${batch}: `);
      guest.printDecimal(rbp);
      guest.print(' completions\n');
    }
    asm.xor(eax, eax);
    asm.jmp(done);
    asm.bind(absent);
    guest.print('no io_uring\n');
    asm.mov(eax, 2);
    asm.jmp(done);
    asm.bind(failed);
    guest.print('a completion is missing or failed\n');
    asm.mov(eax, 1);
    asm.bind(done);
  },
});
