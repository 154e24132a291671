/** io_uring with real rings: NOPs, one and 64 at a time. */
import { dword, registers } from '../../../../workloads/lib/assembly.ts';
import { call, type Emit } from '../emit.ts';
import { operation, type PathOperation } from '../operation.ts';

const { rax, eax, ecx, edx, rcx, r12, r13, r14 } = registers;
const PAGE = 4096;
const RING = 0x20000000000;
const ENTRIES = 0x20000100000;
const QUEUE = 64;
const SHARED_POPULATE = 0x8001;
const OFF_SQES = 0x10000000;
const ENTER_GETEVENTS = 1;
/** Offsets in struct io_uring_params. */
const SQ_TAIL = 40 + 4;
const SQ_ARRAY = 40 + 24;
const CQ_HEAD = 80;
const CQ_TAIL = 80 + 4;

/** io_uring_setup and the two mappings; the ring is at RING, the entries, all NOPs, at ENTRIES. */
const setup: Emit = (stage) => {
  const { guest, buffer } = stage;
  const { asm } = guest;
  guest.syscall('io_uring_setup', QUEUE, buffer);
  asm.mov(r12, rax);
  guest.syscall('mmap', RING, PAGE, 3, SHARED_POPULATE, r12, 0);
  guest.syscall('mmap', ENTRIES, PAGE, 3, SHARED_POPULATE, r12, OFF_SQES);
  guest.load(r13, buffer);
  asm.mov(r14, RING);
  // The array names each entry once and for all.
  asm.mov(ecx, dword(r13, SQ_ARRAY));
  asm.add(rcx, r14);
  asm.xor(eax, eax);
  const entry = asm.here();
  asm.mov(dword({ base: rcx, index: rax, scale: 4 }), eax);
  asm.add(eax, 1);
  asm.cmp(eax, QUEUE);
  asm.jne(entry);
};

/** Hands in `count` more entries, which are NOPs as the mapping was zero. */
const submit =
  (count: number): Emit =>
  ({ guest: { asm } }) => {
    asm.mov(ecx, dword(r13, SQ_TAIL));
    asm.add(dword({ base: r14, index: rcx }), count);
  };

/** Consumes every completion. */
const consume: Emit = ({ guest: { asm } }) => {
  asm.mov(ecx, dword(r13, CQ_TAIL));
  asm.mov(edx, dword({ base: r14, index: rcx }));
  asm.mov(ecx, dword(r13, CQ_HEAD));
  asm.mov(dword({ base: r14, index: rcx }), edx);
};

/** `count` NOPs submitted and awaited in one call. */
export const nops = (count: number): PathOperation =>
  operation(
    `io_uring_nop_${count}`,
    call('io_uring_enter', r12, count, count, ENTER_GETEVENTS, 0, 0),
    { setup, before: submit(count), after: consume },
  );

export const IO_URING: readonly PathOperation[] = [nops(1), nops(64)];
