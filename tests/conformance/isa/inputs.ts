/**
 * Input states of instruction vectors: registers, flags, xmm, x87 and a window of memory, a pure
 * function of a seed, so that the fixture stores the seed and what changed.
 */

/** Virtual address of the memory window; it spans two pages. The page after the second is absent. */
export const WINDOW = 0x10000f80n;
export const WINDOW_BYTES = 256;
/** Virtual address of the code of vector 0; each has CODE_STRIDE bytes. */
export const CODE = 0x20000000n;
export const CODE_STRIDE = 64;

/** The x87 and xmm part of the state in the layout of fxsave. */
export const FX_BYTES = 512;
export const FX_CONTROL = 0;
export const FX_STATUS = 2;
export const FX_TAG = 4;
export const FX_MXCSR = 24;
export const FX_ST = 32;
export const FX_XMM = 160;

export interface State {
  readonly registers: BigUint64Array;
  flags: number;
  fsBase: bigint;
  readonly fx: Uint8Array;
  readonly memory: Uint8Array;
}

const SPECIAL: readonly bigint[] = [
  0n, 1n, 2n, 0xffffffffffffffffn, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn,
  0x80000000n, 0xffffffffn, 0x7fffffffffffffffn, 0x8000000000000000n, 0x3ff0000000000000n,
  0x7ff0000000000000n, 0x7ff8000000000000n, 0xbff8000000000000n, 0x3f8000007f800000n,
  0x7ff0000000000001n, 0xfff4000000001234n, 0x7f800001ffc00002n, 0x41dfffffffc00000n,
  0xc1e0000000000000n, 0x43e0000000000000n, 0x000fffffffffffffn, 0x0000000100000001n,
]; // prettier-ignore

const ARITHMETIC_FLAGS = 0x8d5;
const RBX = 3;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** xorshift64*. */
export class Random {
  private state: bigint;

  constructor(seed: number) {
    this.state = ((BigInt(seed) + 1n) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  }

  next(): bigint {
    let s = this.state;
    s ^= s >> 12n;
    s ^= (s << 25n) & 0xffffffffffffffffn;
    s ^= s >> 27n;
    this.state = s;
    return (s * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn;
  }

  below(limit: number): number {
    return Number((this.next() >> 32n) % BigInt(limit));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}

/** Integers and float bit patterns near every edge. */
function quadword(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return random.pick(SPECIAL);
  if (kind === 3) return random.next() & 0xffn;
  if (kind === 4)
    return BigInt.asUintN(64, BigInt.asIntN(64, random.next()) >> (random.next() % 64n));
  if (kind === 5) {
    // A double and two floats of everyday size.
    const exponent = BigInt(1023 - 40 + random.below(80));
    return (random.next() & 0x800fffffffffffffn) | (exponent << 52n);
  }
  return random.next();
}

/** An 80-bit value that is properly normalised: everyday sizes, edges, NaNs, denormals. */
function extended(random: Random): [significand: bigint, signExponent: number] {
  const sign = random.below(2) << 15;
  const fraction =
    random.below(3) === 0 ? random.next() & ~0x7ffn & (2n ** 64n - 1n) : random.next();
  const significand = fraction | (1n << 63n);
  switch (random.below(12)) {
    case 0:
      return [0n, sign];
    case 1:
      return [1n << 63n, sign | 0x7fff];
    case 2:
      return [(random.next() | (3n << 62n)) & 0xffffffffffffffffn, sign | 0x7fff];
    case 3:
      return [random.next() >> 1n, sign];
    case 4:
      return [1n << 63n, sign | (0x3fff + random.below(8))];
    case 5:
      return [significand, sign | random.below(0x7fff)];
    default:
      return [significand, sign | (0x3fff - 40 + random.below(110))];
  }
}

function writeExtended(view: DataView, at: number, value: [bigint, number]): void {
  view.setBigUint64(at, value[0], true);
  view.setUint16(at + 8, value[1], true);
}

/** Seeds from here on start with another rounding mode, DAZ or FTZ in MXCSR. */
export const SPECIAL_MXCSR_SEEDS = 1_000_000_000;
/** Seeds from here on start with exceptions unmasked in MXCSR. */
export const UNMASKED_SEEDS = 2_000_000_000;
const MXCSR_DEFAULT = 0x1f80;
const MXCSR_DAZ = 0x40;
const MXCSR_INEXACT = 0x20;
const MXCSR_ROUNDING_SHIFT = 13;
const MXCSR_MASKS_SHIFT = 7;
const MXCSR_FTZ = 0x8000;

/** What the random part of MXCSR is, drawn after everything else of a state. */
function mxcsrOf(seed: number, random: Random): number {
  const exceptions = random.below(64);
  const sticky = [0, MXCSR_INEXACT, exceptions, 0][random.below(4)] ?? 0;
  if (seed < SPECIAL_MXCSR_SEEDS) return MXCSR_DEFAULT | sticky;
  const daz = random.below(2) * MXCSR_DAZ;
  const ftz = random.below(2) * MXCSR_FTZ;
  const special = daz | ftz | (random.below(4) << MXCSR_ROUNDING_SHIFT);
  if (seed < UNMASKED_SEEDS) return MXCSR_DEFAULT | sticky | special;
  const unmasked = random.below(64) << MXCSR_MASKS_SHIFT;
  return (MXCSR_DEFAULT & ~unmasked) | sticky | (random.below(2) === 0 ? special : 0);
}

const X87_CONTROLS = [0x37f, 0x37f, 0x37f, 0x27f, 0x07f, 0x77f, 0xb7f, 0xf7f, 0xe7f, 0x87f];

/** Rounding, precision, and now and then an unmasked exception. */
function x87ControlOf(random: Random): number {
  const control = random.pick(X87_CONTROLS);
  return random.below(8) === 0 ? control & ~random.below(64) : control;
}

/** The state from which the vector with `seed` starts. */
export function inputState(seed: number): State {
  const random = new Random(seed);
  const registers = BigUint64Array.from({ length: 16 }, () => quadword(random));
  registers[RBX] = WINDOW + 64n + BigInt(random.below(32));
  registers[RSI] = WINDOW + 16n + BigInt(random.below(48));
  registers[RDI] = WINDOW + 128n + BigInt(random.below(32));
  registers[RSP] = WINDOW + 192n;
  const flags = Number(random.next() & BigInt(ARITHMETIC_FLAGS)) | 0x202;
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  const depth = random.below(8) === 0 ? random.below(9) : 3 + random.below(4);
  const top = random.below(2) === 0 ? 0 : random.below(8);
  view.setUint16(FX_STATUS, top << 11, true);
  for (let n = 0; n < 8; n++) {
    if (n < depth) fx[FX_TAG] |= 1 << ((top + n) & 7);
    writeExtended(view, FX_ST + n * 16, extended(random));
  }
  for (let n = 0; n < 32; n++) view.setBigUint64(FX_XMM + n * 8, quadword(random), true);
  const memory = new Uint8Array(WINDOW_BYTES);
  const bytes = new DataView(memory.buffer);
  for (let n = 0; n < WINDOW_BYTES; n += 8) bytes.setBigUint64(n, quadword(random), true);
  // Where m80 operands point: an 80-bit value in every other 16 bytes.
  if (seed % 4 === 3) {
    for (let n = 0; n < WINDOW_BYTES; n += 16) writeExtended(bytes, n, extended(random));
  }
  view.setUint16(FX_CONTROL, x87ControlOf(random), true);
  view.setUint32(FX_MXCSR, mxcsrOf(seed, random), true);
  return { registers, flags, fsBase: WINDOW + 96n, fx, memory };
}
