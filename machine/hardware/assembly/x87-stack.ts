/** The x87 register stack: top, tags, and the responses to its underflow and overflow. */
import { Cpu } from '../layout';
import {
  finish,
  raise,
  reject,
  rSig,
  rTop,
  setResult,
  Status,
  stopped,
  stops,
  unpackA,
  unpackB,
} from './x87-value';

export const INDEFINITE_SIG: u64 = 0xc000000000000000;
export const INDEFINITE_TOP: u32 = 0xffff;

@inline export function top(cpu: usize): u32 {
  return (load<u32>(cpu, Cpu.X87_STATUS) >> 11) & 7;
}

@inline export function setTop(cpu: usize, value: u32): void {
  const status = load<u32>(cpu, Cpu.X87_STATUS) & ~0x3800;
  store<u32>(cpu, status | ((value & 7) << 11), Cpu.X87_STATUS);
}

@inline export function physical(cpu: usize, index: u32): u32 {
  return (top(cpu) + index) & 7;
}

@inline export function addressOf(cpu: usize, index: u32): usize {
  return cpu + Cpu.X87_REGISTERS + (<usize>physical(cpu, index) << 4);
}

@inline export function isUsed(cpu: usize, index: u32): bool {
  return ((load<u32>(cpu, Cpu.X87_TAG) >> physical(cpu, index)) & 1) != 0;
}

export function setTag(cpu: usize, index: u32, used: u32): void {
  const bit = (<u32>1) << physical(cpu, index);
  const tags = load<u32>(cpu, Cpu.X87_TAG);
  store<u32>(cpu, used != 0 ? tags | bit : tags & ~bit, Cpu.X87_TAG);
}

/** An empty register reads as the indefinite NaN. */
export function checkUsed(cpu: usize, index: u32): bool {
  if (isUsed(cpu, index)) return true;
  raise(Status.INVALID | Status.STACK_FAULT);
  reject();
  return false;
}

export function readA(cpu: usize, index: u32): void {
  const at = addressOf(cpu, index);
  if (checkUsed(cpu, index)) unpackA(load<u64>(at), load<u16>(at, 8));
  else unpackA(INDEFINITE_SIG, INDEFINITE_TOP);
}

export function readB(cpu: usize, index: u32): void {
  const at = addressOf(cpu, index);
  if (checkUsed(cpu, index)) unpackB(load<u64>(at), load<u16>(at, 8));
  else unpackB(INDEFINITE_SIG, INDEFINITE_TOP);
}

/** Unless an unmasked exception forbids it. */
export function writeResult(cpu: usize, index: u32): void {
  if (!stops(cpu, Status.BEFORE)) storeResult(cpu, index);
}

export function storeResult(cpu: usize, index: u32): void {
  const at = addressOf(cpu, index);
  store<u64>(at, rSig);
  store<u16>(at, <u16>rTop, 8);
  setTag(cpu, index, 1);
}

/** Pushes the result. */
export function push(cpu: usize): void {
  const overflows = isUsed(cpu, 7);
  if (overflows) {
    setResult(INDEFINITE_SIG, INDEFINITE_TOP);
    raise(Status.INVALID | Status.STACK_FAULT);
  }
  // A denormal operand does not keep a load from being done.
  if (!stops(cpu, Status.INVALID)) {
    setTop(cpu, top(cpu) - 1);
    storeResult(cpu, 0);
  }
  finish(cpu);
  if (overflows) store<u32>(cpu, load<u32>(cpu, Cpu.X87_STATUS) | Status.C1, Cpu.X87_STATUS);
}

/** Unless the operation before it was stopped. */
export function pop(cpu: usize): void {
  if (stopped) return;
  setTag(cpu, 0, 0);
  setTop(cpu, top(cpu) + 1);
}
