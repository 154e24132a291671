/**
 * Programs that no compiler made, one for each seed: random bytes, instructions in a random order, or
 * stretches of a real program with bits flipped. Half of them may write their own code. A prologue
 * sets an interval timer, so that what would run for ever ends by SIGALRM, and puts addresses of the
 * program into its registers, so that loads and stores hit something more often than not. Half of them
 * handle the signals of their own mistakes, somewhere in the code, and so go on to the next one.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Random } from '../../machine/core/random.ts';
import { decodeFixture } from './isa/fixture.ts';
import { loadBinary } from './programs/fixtures.ts';

const CODE = 0x400000;
const CODE_BYTES = 8192;
const DATA = 0x600000;
const DATA_BYTES = 16384;
/** The timer's struct itimerval is at the start of the data. */
const TIMER_MICROSECONDS = 40;
const SYS_SETITIMER = 38;
const SYS_RT_SIGACTION = 13;
/** Where the struct sigaction is in the data. */
const ACTION = 64;
const MISTAKES = { SIGILL: 4, SIGTRAP: 5, SIGBUS: 7, SIGFPE: 8, SIGSEGV: 11 };
const SA_NODEFER = 0x40000000;
const SA_RESTORER = 0x04000000;

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const PT_LOAD = 1;
const [EXECUTE, WRITE, READ] = [1, 2, 4];

const RAX = 0;
const RDX = 2;
const RSP = 4;
const RSI = 6;
const RDI = 7;
const R10 = 10;

/** Code of every recorded instruction vector: valid instructions of all kinds. */
let vectorCode: readonly Uint8Array[] | undefined;

function instructions(): readonly Uint8Array[] {
  const file = path.join(import.meta.dirname, 'isa/vectors.bin');
  vectorCode ??= decodeFixture(readFileSync(file)).vectors.map(({ code }) => code);
  return vectorCode;
}

class Code {
  readonly bytes = new Uint8Array(CODE_BYTES);
  length = 0;

  /** Does nothing once the segment is full. */
  add(bytes: Iterable<number>): void {
    for (const byte of bytes) if (this.length < CODE_BYTES) this.bytes[this.length++] = byte;
  }

  /** mov register, value */
  load(register: number, value: number): void {
    const wide = new Uint8Array(8);
    new DataView(wide.buffer).setBigUint64(0, BigInt(value), true);
    this.add([register < 8 ? 0x48 : 0x49, 0xb8 + (register & 7), ...wide]);
  }

  call(number: number, ...values: readonly number[]): void {
    this.load(RAX, number);
    values.forEach((value, index) => {
      this.load([RDI, RSI, RDX, R10][index] ?? 0, value);
    });
    this.add([0x0f, 0x05]);
  }
}

function prologue(code: Code, random: Random): void {
  code.call(SYS_SETITIMER, 0, DATA, 0);
  if (random.below(2) === 0) {
    for (const signal of Object.values(MISTAKES)) {
      code.call(SYS_RT_SIGACTION, signal, DATA + ACTION, 0, 8);
    }
  }
  for (let register = 0; register < 16; register++) {
    if (register === RSP) continue;
    const [base, bytes] = random.below(4) === 0 ? [CODE, CODE_BYTES] : [DATA, DATA_BYTES];
    code.load(register, random.below(8) === 0 ? random.u32() : base + random.below(bytes));
  }
}

function randomBytes(code: Code, random: Random): void {
  while (code.length < CODE_BYTES) code.add([random.below(256)]);
}

function shuffledInstructions(code: Code, random: Random): void {
  const known = instructions();
  while (code.length < CODE_BYTES) {
    code.add(known[random.below(known.length)] ?? []);
    // A jump backwards or forwards now and then, into the middle of something as likely as not.
    if (random.below(12) === 0) code.add([0x70 + random.below(16), random.below(256)]);
  }
}

function damagedProgram(code: Code, random: Random): void {
  const image = loadBinary('hello-musl');
  const from = 0x1000 + random.below(Math.max(1, image.length - CODE_BYTES - 0x1000));
  const stretch = image.slice(from, from + CODE_BYTES);
  for (let flips = random.below(64); flips > 0; flips--) {
    const at = random.below(stretch.length);
    stretch[at] = (stretch[at] ?? 0) ^ (1 << random.below(8));
  }
  code.add(stretch);
}

const BODIES = [randomBytes, shuffledInstructions, damagedProgram];

/** A static executable of two segments. The same for the same seed on every host. */
export function fuzzProgram(seed: number): Uint8Array {
  const random = new Random(seed, 'fuzz program');
  const code = new Code();
  prologue(code, random);
  BODIES[seed % BODIES.length]?.(code, random);
  const image = new Uint8Array(4096 + CODE_BYTES + DATA_BYTES);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(CODE), true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, SEGMENT_BYTES, true);
  view.setUint16(56, 2, true);
  const codeFlags = READ | EXECUTE | (random.below(2) === 0 ? WRITE : 0);
  const segments = [
    { flags: codeFlags, offset: 4096, address: CODE, bytes: CODE_BYTES },
    { flags: READ | WRITE, offset: 4096 + CODE_BYTES, address: DATA, bytes: DATA_BYTES },
  ];
  segments.forEach(({ flags, offset, address, bytes }, index) => {
    const at = HEADER_BYTES + index * SEGMENT_BYTES;
    view.setUint32(at, PT_LOAD, true);
    view.setUint32(at + 4, flags, true);
    for (const [field, value] of [
      [8, offset],
      [16, address],
      [24, address],
      [32, bytes],
      [40, bytes],
      [48, 4096],
    ] as const) {
      view.setBigUint64(at + field, BigInt(value), true);
    }
  });
  image.set(code.bytes, 4096);
  const data = 4096 + CODE_BYTES;
  for (let at = 128; at < DATA_BYTES; at++) image[data + at] = random.below(256);
  view.setBigUint64(data + 24, BigInt(TIMER_MICROSECONDS), true);
  view.setBigUint64(data + ACTION, BigInt(CODE + random.below(CODE_BYTES)), true);
  view.setBigUint64(data + ACTION + 8, BigInt(SA_NODEFER + SA_RESTORER), true);
  view.setBigUint64(data + ACTION + 16, BigInt(CODE + random.below(CODE_BYTES)), true);
  return image;
}
