/**
 * Runs instruction vectors on this processor: assembles snippets, hands them with their input states
 * to harness.c and keeps what changed. Needs gcc and an x86-64 host with SSE3 and FSGSBASE.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Decoder, DecoderOptions } from 'iced-x86';
import { NO_TRAP } from '../fixture.ts';
import type { Vector, X87Outcome } from '../fixture.ts';
import {
  CODE,
  CODE_STRIDE,
  FX_BYTES,
  FX_MXCSR,
  FX_ST,
  FX_STATUS,
  FX_TAG,
  FX_XMM,
  inputState,
} from '../inputs.ts';
import type { State } from '../inputs.ts';
import type { Planned } from './plan.ts';

const HERE = import.meta.dirname;
const INPUT_BYTES = 976;
const OUTPUT_BYTES = 944;
const CODE_BYTES_MAX = 48;
/** decoder's rflags bits -> rflags positions. */
const FLAG_BITS: readonly (readonly [number, number])[] = [
  [0x01, 0x800], [0x02, 0x080], [0x04, 0x040], [0x08, 0x010], [0x10, 0x001], [0x20, 0x004],
]; // prettier-ignore
const ALL_FLAGS = 0x8d5;

/** Machine code of every snippet. */
function assemble(directory: string, planned: readonly Planned[]): Uint8Array[] {
  const body = planned
    .map(
      ({ text }, n) =>
        `.balign 64\ns${String(n)}: ${text}\n.pushsection .len\n.byte (e${String(n)} - s${String(n)})\n.popsection\ne${String(n)}:`,
    )
    .join('\n');
  const source = path.join(directory, 's.s');
  writeFileSync(source, `.intel_syntax noprefix\n.section .len,"a"\n.text\n${body}\n.balign 64\n`);
  const object = path.join(directory, 's.o');
  execFileSync('gcc', ['-c', '-o', object, source], { stdio: 'inherit' });
  const section = (name: string): Uint8Array => {
    const out = path.join(directory, `s${name}`);
    execFileSync('objcopy', [
      '-O',
      'binary',
      '-j',
      name,
      '--set-section-flags',
      '.len=alloc,load,contents',
      object,
      out,
    ]);
    return readFileSync(out);
  };
  const [text, lengths] = [section('.text'), section('.len')];
  return planned.map((_, n) => {
    const length = lengths[n] ?? 0;
    if (length > CODE_BYTES_MAX) throw new Error(`snippet is too long: ${planned[n]?.text ?? ''}`);
    return text.slice(n * 64, n * 64 + length);
  });
}

function runNatively(
  directory: string,
  seeds: readonly number[],
  codes: readonly Uint8Array[],
): Buffer {
  const input = Buffer.alloc(seeds.length * INPUT_BYTES);
  seeds.forEach((seed, n) => {
    const at = n * INPUT_BYTES;
    const code = codes[n];
    const state = inputState(seed);
    input.writeBigUInt64LE(BigInt(code.length), at);
    input.set(code, at + 8);
    state.registers.forEach((value, index) => input.writeBigUInt64LE(value, at + 56 + index * 8));
    input.writeBigUInt64LE(BigInt(state.flags), at + 184);
    input.writeBigUInt64LE(state.fsBase, at + 192);
    input.set(state.memory, at + 200);
    input.set(state.fx, at + 464);
  });
  const [from, to, harness] = ['in', 'out', 'harness'].map((name) =>
    path.join(directory, name),
  ) as [string, string, string];
  writeFileSync(from, input);
  if (!existsSync(harness)) {
    execFileSync(
      'gcc',
      ['-O1', '-static', '-fno-stack-protector', '-o', harness, path.join(HERE, 'harness.c')],
      { stdio: 'inherit' },
    );
  }
  execFileSync(harness, [from, to], { stdio: 'inherit' });
  return readFileSync(to);
}

/** Flags that the last writer of each left undefined are not compared. */
function flagsMask(code: Uint8Array, address: bigint): number {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  decoder.ip = address;
  let undefinedBits = 0;
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const defined = instruction.rflagsWritten | instruction.rflagsCleared | instruction.rflagsSet;
    undefinedBits = (undefinedBits & ~defined) | instruction.rflagsUndefined;
    instruction.free();
  }
  decoder.free();
  let mask = ALL_FLAGS;
  for (const [from, to] of FLAG_BITS) if ((undefinedBits & from) !== 0) mask &= ~to;
  return mask;
}

function x87Outcome(before: State, fx: DataView): X87Outcome | undefined {
  const old = new DataView(before.fx.buffer);
  const registers = new Map<number, readonly [bigint, number]>();
  for (let n = 0; n < 8; n++) {
    const at = FX_ST + n * 16;
    const value = [fx.getBigUint64(at, true), fx.getUint16(at + 8, true)] as const;
    const same =
      value[0] === old.getBigUint64(at, true) && value[1] === old.getUint16(at + 8, true);
    if (!same) registers.set(n, value);
  }
  const control = fx.getUint16(0, true);
  const status = fx.getUint16(FX_STATUS, true);
  const tag = fx.getUint8(FX_TAG);
  const unchanged = registers.size === 0 && tag === old.getUint8(FX_TAG);
  const sameStatus = status === old.getUint16(FX_STATUS, true);
  if (unchanged && control === old.getUint16(0, true) && sameStatus) return undefined;
  return { control, status, tag, registers };
}

function outcome(planned: Planned, code: Uint8Array, index: number, record: Buffer): Vector {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const before = inputState(planned.seed);
  const trap = Number(view.getBigUint64(136, true));
  const registers = new Map<number, bigint>();
  before.registers.forEach((value, n) => {
    const after = view.getBigUint64(n * 8, true);
    if (after !== value) registers.set(n, after);
  });
  const memory = new Map<number, bigint>();
  const oldMemory = new DataView(before.memory.buffer);
  for (let n = 0; n < 32; n++) {
    const after = view.getBigUint64(176 + n * 8, true);
    if (after !== oldMemory.getBigUint64(n * 8, true)) memory.set(n, after);
  }
  const fx = new DataView(record.buffer, record.byteOffset + 432, FX_BYTES);
  const oldFx = new DataView(before.fx.buffer);
  const mxcsr = fx.getUint32(FX_MXCSR, true);
  const xmm = new Map<number, readonly [bigint, bigint]>();
  for (let n = 0; n < 16; n++) {
    const at = FX_XMM + n * 16;
    const after = [fx.getBigUint64(at, true), fx.getBigUint64(at + 8, true)] as const;
    const same =
      after[0] === oldFx.getBigUint64(at, true) && after[1] === oldFx.getBigUint64(at + 8, true);
    if (!same) xmm.set(n, after);
  }
  return {
    form: planned.form,
    seed: planned.seed,
    code,
    flagsMask: flagsMask(code, CODE + BigInt(index * CODE_STRIDE)),
    trap: trap === NO_TRAP ? NO_TRAP : trap,
    ripOffset: Number(view.getBigUint64(144, true) & 0xffn),
    errorCode: Number(view.getBigUint64(152, true) & 0xffn),
    faultAddress: view.getBigUint64(160, true),
    flags: Number(view.getBigUint64(128, true) & BigInt(ALL_FLAGS)),
    registers,
    xmm,
    memory,
    x87: x87Outcome(before, fx),
    mxcsr: mxcsr === oldFx.getUint32(FX_MXCSR, true) ? undefined : mxcsr,
  };
}

/** Records `planned` with the processor; `directory` is for temporary files. */
export function recordVectors(directory: string, planned: readonly Planned[]): Vector[] {
  const codes = assemble(directory, planned);
  const seeds = planned.map(({ seed }) => seed);
  const output = runNatively(directory, seeds, codes);
  return planned.map((entry, n) => {
    const record = output.subarray(n * OUTPUT_BYTES, (n + 1) * OUTPUT_BYTES);
    return outcome(entry, codes[n], n, record);
  });
}
