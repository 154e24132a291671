/**
 * The six hot loops by which executors are measured, as gcc 12 -O2 writes them: table CRC-32, a
 * 64-bit hash, 64 x 64 matrix product, pointer chase, byte copy, recursive Fibonacci.
 */
import type { Assembler } from '../../machine/hardware/cpu/assembler.ts';
import { address, byte, dword, qword, registers } from '../../machine/hardware/cpu/assembler.ts';

const { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12 } = registers;
const { eax, edx, dl, xmm0, xmm1, r9d, edi, esi } = registers;

/** Where the loops find their data. */
export const HEAP = 0x10000000n;
/** The most that any loop uses, at the sizes of `sizes`. */
export const HEAP_BYTES = 20 << 20;

export interface Loop {
  readonly name: string;
  /** Writes the program; it runs `repeats` times over its data and then executes marker 1. */
  readonly emit: (asm: Assembler, repeats: number) => void;
  /** Fills the heap. `put64` and `put8` take offsets from HEAP. */
  readonly fill: (heap: DataView) => void;
  /** Guest instructions of one repetition, nearly. */
  readonly instructions: number;
}

const EXIT_GROUP = 231;

/**
 * The marker instruction with number 1, at which the processor's rig stops; see the marker NOP in the
 * documents of the guest ABI. On Linux it does nothing, and the program ends after it.
 */
function marker(asm: Assembler): void {
  asm.bytes([0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x43, 0x4c]);
  asm.mov(eax, EXIT_GROUP);
  asm.xor(edi, edi);
  asm.syscall();
}

function repeated(asm: Assembler, repeats: number, body: () => void): void {
  asm.mov(r12, repeats);
  const again = asm.here();
  body();
  asm.sub(r12, 1);
  asm.jne(again);
  marker(asm);
}

const BUFFER_BYTES = 16384;
const TABLE = 0x10000;
const MATRIX_BYTES = 64 * 64 * 8;
const CHASE_BYTES = 16 << 20;
const CHASE_NODES = CHASE_BYTES / 64;

function crc(asm: Assembler, repeats: number): void {
  asm.mov(eax, 0xffffffff);
  asm.mov(rcx, HEAP + BigInt(TABLE));
  repeated(asm, repeats, () => {
    asm.mov(rdi, HEAP);
    asm.mov(rsi, HEAP + BigInt(BUFFER_BYTES));
    const loop = asm.here();
    asm.movzx(edx, byte(rdi));
    asm.add(rdi, 1);
    asm.xor(edx, eax);
    asm.shr(eax, 8);
    asm.movzx(edx, dl);
    asm.xor(eax, dword({ base: rcx, index: rdx, scale: 4 }));
    asm.cmp(rdi, rsi);
    asm.jne(loop);
  });
}

function fillCrc(heap: DataView): void {
  for (let i = 0; i < BUFFER_BYTES; i++) heap.setUint8(i, i * 7 + (i >> 8));
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    heap.setUint32(TABLE + 4 * i, c, true);
  }
}

function hash(asm: Assembler, repeats: number): void {
  asm.mov(rax, -1);
  asm.mov(rcx, 0x100000001b3n);
  repeated(asm, repeats, () => {
    asm.mov(rdi, HEAP);
    asm.mov(rsi, HEAP + BigInt(BUFFER_BYTES));
    const loop = asm.here();
    asm.xor(rax, qword(rdi));
    asm.add(rdi, 8);
    asm.imul(rax, rcx);
    asm.mov(rdx, rax);
    asm.shr(rdx, 29);
    asm.xor(rax, rdx);
    asm.cmp(rsi, rdi);
    asm.jne(loop);
  });
}

function fillHash(heap: DataView): void {
  for (let i = 0; i < BUFFER_BYTES / 8; i++) {
    heap.setBigUint64(8 * i, BigInt.asUintN(64, BigInt(i) * 0x9e3779b97f4a7c15n), true);
  }
}

function matmul(asm: Assembler, repeats: number): void {
  repeated(asm, repeats, () => {
    asm.mov(r10, HEAP + BigInt(2 * MATRIX_BYTES));
    asm.mov(r11, HEAP);
    asm.mov(rbx, HEAP + BigInt(2 * MATRIX_BYTES));
    asm.xor(r9d, r9d);
    const rows = asm.here();
    asm.mov(rdi, r9);
    asm.mov(rcx, rbx);
    asm.xor(esi, esi);
    asm.shl(rdi, 9);
    asm.lea(r8, address({ base: r11, index: rdi, scale: 1 }));
    asm.add(rdi, r10);
    const columns = asm.here();
    asm.lea(rax, address({ base: rcx, offset: -MATRIX_BYTES }));
    asm.mov(rdx, r8);
    asm.pxor(xmm1, xmm1);
    const products = asm.here();
    asm.movsd(xmm0, qword(rdx));
    asm.mulsd(xmm0, qword(rax));
    asm.add(rax, 512);
    asm.add(rdx, 8);
    asm.addsd(xmm1, xmm0);
    asm.cmp(rcx, rax);
    asm.jne(products);
    asm.movsd(qword({ base: rdi, index: rsi, scale: 8 }), xmm1);
    asm.add(rsi, 1);
    asm.add(rcx, 8);
    asm.cmp(rsi, 64);
    asm.jne(columns);
    asm.add(r9, 1);
    asm.cmp(r9, 64);
    asm.jne(rows);
  });
}

function fillMatrices(heap: DataView): void {
  for (let i = 0; i < 64 * 64; i++) {
    heap.setFloat64(8 * i, i % 7, true);
    heap.setFloat64(MATRIX_BYTES + 8 * i, i % 5, true);
  }
}

function chase(asm: Assembler, repeats: number): void {
  asm.mov(rax, HEAP);
  repeated(asm, repeats, () => {
    asm.mov(rsi, CHASE_NODES);
    const loop = asm.here();
    asm.mov(rax, qword(rax));
    asm.sub(rsi, 1);
    asm.jne(loop);
  });
}

/** One cycle through all nodes in an order drawn from a linear congruential generator. */
function fillChase(heap: DataView): void {
  const order = Uint32Array.from({ length: CHASE_NODES }, (_, i) => i);
  let seed = 12345n;
  for (let i = CHASE_NODES - 1; i > 0; i--) {
    seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
    const j = Number((seed >> 33n) % BigInt(i));
    [order[i], order[j]] = [order[j], order[i]];
  }
  order.forEach((node, i) => {
    const next = order[(i + 1) % CHASE_NODES];
    heap.setBigUint64(node * 64, HEAP + BigInt(next * 64), true);
  });
}

function byteCopy(asm: Assembler, repeats: number): void {
  repeated(asm, repeats, () => {
    asm.mov(rcx, HEAP + 1n);
    asm.mov(rax, HEAP + BigInt(TABLE));
    asm.movzx(edx, byte(rcx, -1));
    const loop = asm.here();
    asm.add(rcx, 1);
    asm.mov(byte(rax), dl);
    asm.add(rax, 1);
    asm.movzx(edx, byte(rcx, -1));
    asm.test(dl, dl);
    asm.jne(loop);
    asm.mov(byte(rax), 0);
  });
}

function fillText(heap: DataView): void {
  for (let i = 0; i < BUFFER_BYTES; i++) heap.setUint8(i, 'x'.charCodeAt(0));
  heap.setUint8(BUFFER_BYTES, 0);
}

/** fib(22): 2 x fib(23) - 1 = 57313 calls. */
const FIB_ARGUMENT = 22;

function fib(asm: Assembler, repeats: number): void {
  const entry = asm.newLabel('fib');
  repeated(asm, repeats, () => {
    asm.mov(edi, FIB_ARGUMENT);
    asm.call(entry);
  });
  asm.bind(entry);
  const done = asm.newLabel();
  asm.push(rbp);
  asm.push(rbx);
  asm.mov(rbx, rdi);
  asm.sub(rsp, 8);
  asm.cmp(rdi, 1);
  asm.jbe(done);
  asm.sub(rdi, 1);
  asm.call(entry);
  asm.lea(rdi, address({ base: rbx, offset: -2 }));
  asm.mov(rbp, rax);
  asm.call(entry);
  asm.lea(rbx, address({ base: rbp, index: rax, scale: 1 }));
  asm.bind(done);
  asm.add(rsp, 8);
  asm.mov(rax, rbx);
  asm.pop(rbx);
  asm.pop(rbp);
  asm.ret();
}

export const LOOPS: readonly Loop[] = [
  { name: 'crc', emit: crc, fill: fillCrc, instructions: 8 * BUFFER_BYTES },
  { name: 'hash', emit: hash, fill: fillHash, instructions: BUFFER_BYTES },
  { name: 'matmul', emit: matmul, fill: fillMatrices, instructions: 64 * 64 * (64 * 7 + 8) },
  { name: 'chase', emit: chase, fill: fillChase, instructions: 3 * CHASE_NODES },
  { name: 'bytecopy', emit: byteCopy, fill: fillText, instructions: 6 * BUFFER_BYTES },
  { name: 'fib', emit: fib, fill: () => undefined, instructions: 57313 * 14 },
];
