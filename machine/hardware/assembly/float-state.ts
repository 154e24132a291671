/** fxsave, fxrstor, and x87 operations on memory longer than 8 bytes. */
import { X87MemoryOp } from '../cpu/x87';
import { Cpu } from '../layout';
import { readable, writable, written } from './guest-memory';
import { checkUsed, INDEFINITE_SIG, INDEFINITE_TOP, pop, push, readA } from './x87-stack';
import { fromInteger } from './x87-quotient';
import {
  aExp,
  aKind,
  aSign,
  begin,
  finish,
  forgetDenormal,
  integerMagnitude,
  Kind,
  raised,
  restoreRaised,
  rSig,
  rTop,
  setResult,
  Status,
  stops,
  summarize,
} from './x87-value';

const PART_BYTES = 16;
const FX_PARTS = 26;
const XMM_PART = 10;
const MXCSR_MASK: u32 = 0xffff;
const EXTENDED_BYTES = 10;
/** The 32-bit protected-mode environment, which is also that of 64-bit mode. */
const ENVIRONMENT_BYTES = 28;
const SAVE_BYTES = 108;

@inline function registerAt(cpu: usize, index: u32): usize {
  const top = load<u32>(cpu, Cpu.X87_STATUS) >> 11;
  return cpu + Cpu.X87_REGISTERS + (<usize>((top + index) & 7) << 4);
}

@inline function recordOf(cpu: usize): usize {
  return <usize>load<u32>(cpu, Cpu.EXIT_RECORD);
}

/** Bytes of the area, of which the last FX_BYTES - 16 * FX_PARTS are the program's own. */
const FX_BYTES = 512;

/** The address is 16-byte aligned: no part crosses a line. Both ends first, so that it faults whole. */
export function fxSave(cpu: usize, va: i64): i64 {
  const record = recordOf(cpu);
  if (writable(cpu, va, PART_BYTES, record) == 0) return 0;
  if (writable(cpu, va + FX_BYTES - 1, 1, record) == 0) return 0;
  for (let part = 0; part < FX_PARTS; part++) {
    const host = writable(cpu, va + part * PART_BYTES, PART_BYTES, record);
    if (host == 0) return 0;
    savePart(cpu, part, host);
  }
  return 1;
}

function savePart(cpu: usize, part: i32, host: usize): void {
  if (part == 0) {
    store<u16>(host, <u16>load<u32>(cpu, Cpu.X87_CONTROL));
    store<u16>(host, <u16>load<u32>(cpu, Cpu.X87_STATUS), 2);
    store<u32>(host, load<u32>(cpu, Cpu.X87_TAG), 4);
    store<u64>(host, 0, 8);
  } else if (part == 1) {
    store<u64>(host, 0);
    store<u32>(host, load<u32>(cpu, Cpu.MXCSR), 8);
    store<u32>(host, MXCSR_MASK, 12);
  } else if (part < XMM_PART) {
    const from = registerAt(cpu, part - 2);
    store<u64>(host, load<u64>(from));
    store<u64>(host, <u64>load<u16>(from, 8), 8);
  } else {
    v128.store(host, v128.load(cpu + Cpu.XMM + (part - XMM_PART) * PART_BYTES));
  }
}

export function fxRestore(cpu: usize, va: i64): i64 {
  const record = recordOf(cpu);
  if (readable(cpu, va, PART_BYTES, record) == 0) return 0;
  if (readable(cpu, va + FX_BYTES - 1, 1, record) == 0) return 0;
  for (let part = 0; part < FX_PARTS; part++) {
    const host = readable(cpu, va + part * PART_BYTES, PART_BYTES, record);
    if (host == 0) return 0;
    restorePart(cpu, part, host);
  }
  return 1;
}

function restorePart(cpu: usize, part: i32, host: usize): void {
  if (part == 0) {
    store<u32>(cpu, <u32>load<u16>(host), Cpu.X87_CONTROL);
    store<u32>(cpu, <u32>load<u16>(host, 2), Cpu.X87_STATUS);
    store<u32>(cpu, <u32>load<u8>(host, 4), Cpu.X87_TAG);
  } else if (part == 1) {
    store<u32>(cpu, load<u32>(host, 8) & MXCSR_MASK, Cpu.MXCSR);
  } else if (part < XMM_PART) {
    const to = registerAt(cpu, part - 2);
    store<u64>(to, load<u64>(host));
    store<u16>(to, load<u16>(host, 8), 8);
  } else {
    v128.store(cpu + Cpu.XMM + (part - XMM_PART) * PART_BYTES, v128.load(host));
  }
}

function storeExtendedPop(cpu: usize, va: i64): i64 {
  const host = writable(cpu, va, EXTENDED_BYTES, recordOf(cpu));
  if (host == 0) return 0;
  const from = registerAt(cpu, 0);
  begin(cpu);
  const used = checkUsed(cpu, 0);
  if (!stops(cpu, Status.STORING)) {
    store<u64>(host, used ? load<u64>(from) : INDEFINITE_SIG);
    store<u16>(host, used ? load<u16>(from, 8) : <u16>INDEFINITE_TOP, 8);
  }
  written(cpu);
  finish(cpu);
  pop(cpu);
  return 1;
}

/** 18 decimal digits and a sign; digits above 9 are taken for what they would be. */
function loadDecimal(cpu: usize, va: i64): i64 {
  const host = readable(cpu, va, EXTENDED_BYTES, recordOf(cpu));
  if (host == 0) return 0;
  begin(cpu);
  let value: u64 = 0;
  for (let n = 8; n >= 0; n--) {
    const pair = load<u8>(host + n);
    value = value * 100 + <u64>(pair >> 4) * 10 + <u64>(pair & 15);
  }
  const negative = load<u8>(host + 9) >> 7;
  fromInteger(<i64>value);
  if (negative != 0) setResult(rSig, rTop | 0x8000);
  push(cpu);
  return 1;
}

const DECIMAL_MAX: u64 = 999999999999999999;
const DECIMAL_INDEFINITE: u64 = 0xc000000000000000;

function storeDecimalPop(cpu: usize, va: i64): i64 {
  const host = writable(cpu, va, EXTENDED_BYTES, recordOf(cpu));
  if (host == 0) return 0;
  begin(cpu);
  readA(cpu, 0);
  forgetDenormal();
  let rest: u64 = u64.MAX_VALUE;
  if (aKind == Kind.ZERO) rest = 0;
  else if (aKind == Kind.FINITE && aExp < 60) rest = integerMagnitude();
  if (rest > DECIMAL_MAX) {
    restoreRaised((raised & ~<u32>Status.INEXACT) | Status.INVALID);
  }
  if (!stops(cpu, Status.STORING)) {
    if (rest > DECIMAL_MAX) {
      store<u64>(host, DECIMAL_INDEFINITE);
      store<u16>(host, 0xffff, 8);
    } else {
      for (let n = 0; n < 9; n++) {
        const pair = <u32>(rest % 100);
        store<u8>(host + n, <u8>(((pair / 10) << 4) | pair % 10));
        rest /= 100;
      }
      store<u8>(host + 9, <u8>(aSign << 7));
    }
  }
  written(cpu);
  finish(cpu);
  pop(cpu);
  return 1;
}

/** Two bits for each register: 0 valid, 1 zero, 2 special, 3 empty. */
function fullTags(cpu: usize): u32 {
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    const at = cpu + Cpu.X87_REGISTERS + (<usize>n << 4);
    const exponent = load<u16>(at, 8) & 0x7fff;
    const significand = load<u64>(at);
    let tag: u32 = 0;
    if (((load<u32>(cpu, Cpu.X87_TAG) >> n) & 1) == 0) tag = 3;
    else if (exponent == 0 && significand == 0) tag = 1;
    else if (exponent == 0 || exponent == 0x7fff || significand >> 63 == 0) tag = 2;
    tags |= tag << (2 * n);
  }
  return tags;
}

function writeEnvironment(cpu: usize, host: usize): void {
  store<u32>(host, load<u32>(cpu, Cpu.X87_CONTROL) | 0xffff0000);
  store<u32>(host, load<u32>(cpu, Cpu.X87_STATUS) | 0xffff0000, 4);
  store<u32>(host, fullTags(cpu) | 0xffff0000, 8);
  memory.fill(host + 12, 0, 12);
  store<u32>(host, 0xffff0000, 24);
}

function readEnvironment(cpu: usize, host: usize): void {
  store<u32>(cpu, <u32>load<u16>(host), Cpu.X87_CONTROL);
  store<u32>(cpu, <u32>load<u16>(host, 4), Cpu.X87_STATUS);
  const full = <u32>load<u16>(host, 8);
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) if (((full >> (2 * n)) & 3) != 3) tags |= (<u32>1) << n;
  store<u32>(cpu, tags, Cpu.X87_TAG);
  summarize(cpu);
}

function storeEnvironment(cpu: usize, va: i64): i64 {
  const host = writable(cpu, va, ENVIRONMENT_BYTES, recordOf(cpu));
  if (host == 0) return 0;
  writeEnvironment(cpu, host);
  written(cpu);
  // All exceptions are masked afterwards.
  store<u32>(cpu, load<u32>(cpu, Cpu.X87_CONTROL) | 0x3f, Cpu.X87_CONTROL);
  summarize(cpu);
  return 1;
}

function loadEnvironment(cpu: usize, va: i64): i64 {
  // The processor looks at the end first, which shows in the address of a fault.
  if (readable(cpu, va + ENVIRONMENT_BYTES - 1, 1, recordOf(cpu)) == 0) return 0;
  const host = readable(cpu, va, ENVIRONMENT_BYTES, recordOf(cpu));
  if (host == 0) return 0;
  readEnvironment(cpu, host);
  return 1;
}

/** Registers one by one after the environment; both ends first, so that it faults whole. */
function save(cpu: usize, va: i64): i64 {
  const record = recordOf(cpu);
  if (writable(cpu, va, ENVIRONMENT_BYTES, record) == 0) return 0;
  store<i32>(cpu, 0, Cpu.SPLIT_PENDING);
  if (writable(cpu, va + SAVE_BYTES - EXTENDED_BYTES, EXTENDED_BYTES, record) == 0) return 0;
  store<i32>(cpu, 0, Cpu.SPLIT_PENDING);
  const host = writable(cpu, va, ENVIRONMENT_BYTES, record);
  if (host == 0) return 0;
  writeEnvironment(cpu, host);
  written(cpu);
  for (let n = 0; n < 8; n++) {
    const to = writable(cpu, va + ENVIRONMENT_BYTES + n * EXTENDED_BYTES, EXTENDED_BYTES, record);
    if (to == 0) return 0;
    const from = registerAt(cpu, n);
    store<u64>(to, load<u64>(from));
    store<u16>(to, load<u16>(from, 8), 8);
    written(cpu);
  }
  store<u32>(cpu, 0x37f, Cpu.X87_CONTROL);
  store<u32>(cpu, 0, Cpu.X87_STATUS);
  store<u32>(cpu, 0, Cpu.X87_TAG);
  return 1;
}

function restore(cpu: usize, va: i64): i64 {
  const record = recordOf(cpu);
  if (readable(cpu, va + SAVE_BYTES - EXTENDED_BYTES, EXTENDED_BYTES, record) == 0) return 0;
  if (loadEnvironment(cpu, va) == 0) return 0;
  for (let n = 0; n < 8; n++) {
    const from = readable(cpu, va + ENVIRONMENT_BYTES + n * EXTENDED_BYTES, EXTENDED_BYTES, record);
    if (from == 0) return 0;
    const to = registerAt(cpu, n);
    store<u64>(to, load<u64>(from));
    store<u16>(to, load<u16>(from, 8), 8);
  }
  return 1;
}

/** operation is an X87MemoryOp. Returns 0 after a fault. */
export function x87Memory(cpu: usize, operation: i64, va: i64): i64 {
  switch (<u32>operation) {
    case X87MemoryOp.STORE_EXTENDED_POP:
      return storeExtendedPop(cpu, va);
    case X87MemoryOp.STORE_ENVIRONMENT:
      return storeEnvironment(cpu, va);
    case X87MemoryOp.LOAD_ENVIRONMENT:
      return loadEnvironment(cpu, va);
    case X87MemoryOp.SAVE:
      return save(cpu, va);
    case X87MemoryOp.LOAD_DECIMAL:
      return loadDecimal(cpu, va);
    case X87MemoryOp.STORE_DECIMAL_POP:
      return storeDecimalPop(cpu, va);
    default:
      return restore(cpu, va);
  }
}
