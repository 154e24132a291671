/** Lazy flags: the six arithmetic flags from { result, source, aux }; see FlagKind in cpu/ir.ts. */
import { FlagKind } from '../cpu/ir';
import { Cpu } from '../layout';

const CF: u64 = 0x001;
const PF: u64 = 0x004;
const AF: u64 = 0x010;
const ZF: u64 = 0x040;
const SF: u64 = 0x080;
const OF: u64 = 0x800;

@inline function parity(result: u64): u64 {
  return ((popcnt<u32>(<u32>result & 0xff) & 1) ^ 1) << 2;
}

@inline function signZeroParity(result: u64, shift: u64): u64 {
  return parity(result) | (result == 0 ? ZF : 0) | ((result >> shift) << 7);
}

/** Carry out of every bit position of lhs + rhs (+ carry) = result; shifted to the top bit. */
@inline function carryBits(lhs: u64, rhs: u64, result: u64): u64 {
  return (lhs & rhs) | ((lhs | rhs) & ~result);
}

@inline function addFlags(lhs: u64, rhs: u64, result: u64, shift: u64): u64 {
  const carry = carryBits(lhs, rhs, result);
  const overflow = (lhs ^ result) & (rhs ^ result);
  return (
    signZeroParity(result, shift) |
    ((carry >> shift) & 1) |
    ((lhs ^ rhs ^ result) & AF) |
    (((overflow >> shift) & 1) << 11)
  );
}

@inline function subFlags(lhs: u64, rhs: u64, result: u64, shift: u64): u64 {
  const borrow = (~lhs & rhs) | ((~lhs | rhs) & result);
  const overflow = (lhs ^ rhs) & (lhs ^ result);
  return (
    signZeroParity(result, shift) |
    ((borrow >> shift) & 1) |
    ((lhs ^ rhs ^ result) & AF) |
    (((overflow >> shift) & 1) << 11)
  );
}

/** The six flags at their rflags positions. */
export function flagsOf(cpu: usize): u64 {
  const form = load<u32>(cpu, Cpu.CC_OP);
  const source = load<u64>(cpu, Cpu.CC_SOURCE);
  const kind = form >> 2;
  if (kind == FlagKind.RAW) return source;
  const result = load<u64>(cpu, Cpu.CC_RESULT);
  const aux = load<u64>(cpu, Cpu.CC_AUX);
  const shift = <u64>(8 << (form & 3)) - 1;
  const mask: u64 = u64.MAX_VALUE >> (63 - shift);
  switch (kind) {
    case FlagKind.ADD:
      return addFlags((result - source) & mask, source, result, shift);
    case FlagKind.ADC:
      return addFlags((result - source - aux) & mask, source, result, shift);
    case FlagKind.SUB:
      return subFlags((result + source) & mask, source, result, shift);
    case FlagKind.SBB:
      return subFlags((result + source + aux) & mask, source, result, shift);
    case FlagKind.INC:
      return (addFlags((result - 1) & mask, 1, result, shift) & ~CF) | aux;
    case FlagKind.DEC:
      return (subFlags((result + 1) & mask, 1, result, shift) & ~CF) | aux;
    case FlagKind.LOGIC:
      return signZeroParity(result, shift);
    case FlagKind.SHIFT:
      return signZeroParity(result, shift) | source;
    default:
      return signZeroParity(result, shift) | (source != 0 ? CF | OF : 0);
  }
}

/** x86 condition code 0..15 of flags at their rflags positions. */
export function conditionOf(flags: u64, code: u32): u64 {
  let holds: bool;
  const less = ((flags >> 7) ^ (flags >> 11)) & 1;
  switch (code >> 1) {
    case 0:
      holds = (flags & OF) != 0;
      break;
    case 1:
      holds = (flags & CF) != 0;
      break;
    case 2:
      holds = (flags & ZF) != 0;
      break;
    case 3:
      holds = (flags & (CF | ZF)) != 0;
      break;
    case 4:
      holds = (flags & SF) != 0;
      break;
    case 5:
      holds = (flags & PF) != 0;
      break;
    case 6:
      holds = less != 0;
      break;
    default:
      holds = less != 0 || (flags & ZF) != 0;
  }
  return <u64>holds ^ <u64>(code & 1);
}

/** The same of the present lazy flags, short for what compilers test most: subtract then jump. */
export function condition(cpu: usize, code: u32): u64 {
  const kind = load<u32>(cpu, Cpu.CC_OP) >> 2;
  if (kind != FlagKind.RAW) {
    if (code >> 1 == 2) return <u64>(load<u64>(cpu, Cpu.CC_RESULT) == 0) ^ <u64>(code & 1);
  }
  return conditionOf(flagsOf(cpu), code);
}

/** Makes the flags known ones. */
export function setFlagsRaw(cpu: usize, flags: u64): void {
  store<u64>(cpu, flags, Cpu.CC_SOURCE);
  store<u32>(cpu, FlagKind.RAW * 4 + 3, Cpu.CC_OP);
}

/** What `cmp left, right` leaves. */
export function setFlagsCompare(cpu: usize, left: u64, right: u64, width: u32): void {
  const mask: u64 = u64.MAX_VALUE >> (64 - (8 << width));
  store<u64>(cpu, (left - right) & mask, Cpu.CC_RESULT);
  store<u64>(cpu, right, Cpu.CC_SOURCE);
  store<u32>(cpu, FlagKind.SUB * 4 + width, Cpu.CC_OP);
}
