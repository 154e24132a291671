/** Replays instruction vectors through an executor and says what differs from the real processor. */
import { Cpu, ExitReason } from '../../../machine/hardware/layout.ts';
import { END_MARKER } from './bare-machine.ts';
import type { BareMachine, Executor } from './bare-machine.ts';
import { NO_TRAP } from './fixture.ts';
import type { Vector } from './fixture.ts';
import { CODE, CODE_STRIDE, FX_MXCSR, FX_ST, FX_XMM, inputState } from './inputs.ts';
import type { State } from './inputs.ts';

const PAGE_FAULT = 14;
const INVALID_OPCODE = 6;

const hex = (value: bigint | number): string => value.toString(16);

/** Puts the code of all vectors in place, so that a translator may compile many at once. */
export function placeCode(machine: BareMachine, vectors: readonly Vector[]): void {
  vectors.forEach((vector, index) => {
    const code = machine.fetchBytes(codeAddress(index), CODE_STRIDE);
    code.set(vector.code);
    code.set(END_MARKER, vector.code.length);
  });
}

export function codeAddress(index: number): bigint {
  return CODE + BigInt(index * CODE_STRIDE);
}

/** x87 functions of calculus, D9 xx: their last bit, and so whether it was rounded up, may differ. */
const CALCULUS: ReadonlySet<number> = new Set([0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff]);
const F2XM1 = 0xf0;
const FYL2XP1 = 0xf9;
const X87_C1 = 0x200;
/** Biased exponents from which on 2^x - 1 and log2(x + 1) are not defined: those of 1 and 1/4. */
const DOMAINS: ReadonlyMap<number, number> = new Map([
  [F2XM1, 0x3fff],
  [FYL2XP1, 0x3ffd],
]);

/** How far the x87 registers after a vector may be from the processor's, in units of the last place. */
function toleranceOf({ code }: Vector, before: State): number {
  const [first, second] = code;
  if (first !== 0xd9 || !CALCULUS.has(second)) return 0;
  const domain = DOMAINS.get(second);
  const head = new DataView(before.fx.buffer).getUint16(FX_ST + 8, true) & 0x7fff;
  return domain !== undefined && head >= domain ? Infinity : 1;
}

/** What the machine and the processor disagree on; empty when nothing. `unsupported` for #UD. */
export function replay(
  machine: BareMachine,
  executor: Executor,
  vector: Vector,
  index: number,
): string[] {
  const before = inputState(vector.seed);
  const address = codeAddress(index);
  machine.load(before, address);
  const reason = executor.run(machine);
  const info = machine.linear.i32[(machine.block + Cpu.EXIT_INFO) >> 2];
  if (
    reason === ExitReason.EXCEPTION &&
    info === INVALID_OPCODE &&
    vector.trap !== INVALID_OPCODE
  ) {
    return ['unsupported'];
  }
  return [
    ...compareTrap(machine, vector, address, reason, info),
    ...compareRegisters(machine, vector, before),
    ...compareMemory(machine, vector, before),
    ...compareX87(machine, vector, before),
    ...compareMxcsr(machine, vector, before),
  ];
}

function compareTrap(
  machine: BareMachine,
  vector: Vector,
  address: bigint,
  reason: ExitReason,
  info: number,
): string[] {
  if (vector.trap === NO_TRAP) {
    return reason === ExitReason.MARKER ? [] : [`exit ${String(reason)} info ${String(info)}`];
  }
  const differences: string[] = [];
  const isPageFault = vector.trap === PAGE_FAULT;
  if (reason !== (isPageFault ? ExitReason.PAGE_FAULT : ExitReason.EXCEPTION)) {
    differences.push(`exit ${String(reason)}, trap ${String(vector.trap)}`);
  } else if (info !== (isPageFault ? vector.errorCode : vector.trap)) {
    differences.push(`info ${String(info)}, trap ${String(vector.trap)}`);
  }
  const offset = machine.state.rip - address;
  if (offset !== BigInt(vector.ripOffset)) differences.push(`rip +${String(offset)}`);
  const faultAddress = machine.linear.u64[(machine.block + Cpu.EXIT_ADDRESS) >> 3];
  if (isPageFault && faultAddress !== vector.faultAddress) {
    differences.push(`fault at ${hex(faultAddress)}, not ${hex(vector.faultAddress)}`);
  }
  return differences;
}

function compareRegisters(machine: BareMachine, vector: Vector, before: State): string[] {
  const differences: string[] = [];
  before.registers.forEach((old, n) => {
    const expected = vector.registers.get(n) ?? old;
    const actual = machine.state.register(n);
    if (actual !== expected) {
      differences.push(`r${String(n)} ${hex(actual)}, not ${hex(expected)}`);
    }
  });
  const flags = Number(machine.state.rflags) & 0x8d5;
  const wrong = (flags ^ vector.flags) & vector.flagsMask;
  if (wrong !== 0) differences.push(`flags ${hex(flags)}, not ${hex(vector.flags)}`);
  const fx = new DataView(before.fx.buffer);
  for (let n = 0; n < 16; n++) {
    const expected = vector.xmm.get(n) ?? [
      fx.getBigUint64(FX_XMM + n * 16, true),
      fx.getBigUint64(FX_XMM + n * 16 + 8, true),
    ];
    const at = (machine.block + Cpu.XMM + n * 16) >> 3;
    const actual = [machine.linear.u64[at], machine.linear.u64[at + 1]] as const;
    if (actual[0] !== expected[0] || actual[1] !== expected[1]) {
      const text = (pair: readonly [bigint, bigint]): string => `${hex(pair[1])}:${hex(pair[0])}`;
      differences.push(`xmm${String(n)} ${text(actual)}, not ${text([expected[0], expected[1]])}`);
    }
  }
  return differences;
}

/** Bit 17 of MXCSR_MASK, the upper half of a quadword that fxsave writes: AMD's misaligned SSE. */
const MISALIGNED_SSE = 1n << 49n;

/** The machine has no misaligned SSE, which is no part of x86-64-v1; the recording host may. */
function isFxsaveMask({ code }: Vector, difference: bigint): boolean {
  const isFxsave = code[0] === 0x0f && code[1] === 0xae && ((code[2] ?? 0) & 0x38) === 0;
  return isFxsave && difference === MISALIGNED_SSE;
}

function compareMemory(machine: BareMachine, vector: Vector, before: State): string[] {
  const differences: string[] = [];
  const actual = new Uint8Array(before.memory.length);
  machine.window((bytes, offset) => {
    actual.set(bytes, offset);
  });
  const view = new DataView(actual.buffer);
  const old = new DataView(before.memory.buffer);
  for (let n = 0; n < actual.length / 8; n++) {
    const expected = vector.memory.get(n) ?? old.getBigUint64(n * 8, true);
    const value = view.getBigUint64(n * 8, true);
    if (value !== expected && !isFxsaveMask(vector, value ^ expected)) {
      differences.push(`memory +${String(n * 8)} ${hex(value)}, not ${hex(expected)}`);
    }
  }
  return differences;
}

function compareMxcsr(machine: BareMachine, vector: Vector, before: State): string[] {
  const old = new DataView(before.fx.buffer).getUint32(FX_MXCSR, true);
  const expected = vector.mxcsr ?? old;
  const actual = machine.linear.i32[(machine.block + Cpu.MXCSR) >> 2];
  return actual === expected
    ? []
    : [`mxcsr ${hex(actual)}, not ${hex(expected)}, from ${hex(old)}`];
}

/** Units in the last place between two 80-bit values. */
function distance(a: readonly [bigint, number], b: readonly [bigint, number]): number {
  const index = ([significand, head]: readonly [bigint, number]): bigint =>
    (BigInt(head) << 63n) + (significand & (2n ** 63n - 1n));
  const apart = index(a) - index(b);
  // Significands that are not normalised share an index with others.
  if (apart === 0n) return a[0] === b[0] ? 0 : Infinity;
  return Number(apart < 0n ? -apart : apart);
}

function compareX87(machine: BareMachine, vector: Vector, before: State): string[] {
  if (vector.x87 === undefined) return [];
  const differences: string[] = [];
  const { linear, block } = machine;
  const { control, status, tag, registers } = vector.x87;
  const actualStatus = linear.i32[(block + Cpu.X87_STATUS) >> 2];
  const check = (name: string, actual: number, expected: number): void => {
    if (actual !== expected) differences.push(`${name} ${hex(actual)}, not ${hex(expected)}`);
  };
  check('control', linear.i32[(block + Cpu.X87_CONTROL) >> 2], control);
  check('tag', linear.i32[(block + Cpu.X87_TAG) >> 2], tag);
  const tolerance = toleranceOf(vector, before);
  if (tolerance === Infinity) return [];
  const compared = tolerance === 0 ? 0xffff : ~X87_C1;
  check('status', actualStatus & compared, status & compared);
  const top = (actualStatus >> 11) & 7;
  const fx = new DataView(before.fx.buffer);
  for (let n = 0; n < 8; n++) {
    const physical = (top + n) & 7;
    // An empty register holds whatever was there.
    if (((tag >> physical) & 1) === 0) continue;
    const at = block + Cpu.X87_REGISTERS + physical * 16;
    const actual = [
      linear.data.getBigUint64(at, true),
      linear.data.getUint16(at + 8, true),
    ] as const;
    const expected = registers.get(n) ?? [
      fx.getBigUint64(FX_ST + n * 16, true),
      fx.getUint16(FX_ST + n * 16 + 8, true),
    ];
    if (distance(actual, expected) > tolerance) {
      const text = (v: readonly [bigint, number]): string => `${hex(v[1])}:${hex(v[0])}`;
      const wanted = text([expected[0], expected[1]]);
      differences.push(`st${String(n)} ${text(actual)}, not ${wanted}`);
    }
  }
  return differences;
}
