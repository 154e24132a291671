/**
 * The page walker: x86-64 page tables of four or five levels in guest physical memory, read through the L1D.
 * Sets accessed and dirty bits. AssemblyScript.
 * Omits: a paging-structure cache for the fifth level, protection keys, SMEP and SMAP.
 * Supervisor writes honour read-only pages (CR0.WP = 1); execute-disable is on (EFER.NXE = 1).
 */
import { Cpu, Header, PageFaultCode, Region, Stall } from '../layout';
import { Model, TlbData } from '../memory/model-layout';
import { AccessSource, HardwareEvent, PageOutcome, ServedBy } from '../memory/event-layout';
import { accessL1 } from './cache';
import { wanted } from './events';
import { beginWalk, count, endWalk, freeWalker, noteServed, post, tickNow, waitForWalker } from './stall';
import { NEED_EXECUTE } from './tlb';
import { cachedData, cachedLevel, cacheTable, isNested, nestedFrame } from './walk-cache';

const PRESENT: i64 = 1;
const ACCESSED: i64 = 0x20;
const PAGE_SIZE_BIT: i64 = 0x80;
const NO_EXECUTE: i64 = i64.MIN_VALUE;
const FRAME_MASK: i64 = 0x000ffffffffff000;

/** Result of a walk: frame and TlbData flags (bit 63: no execute), and PageSize. */
export let walkData: i64 = 0;
export let walkSize: i32 = 0;
/** Of a failed walk: the page-fault error code. */
export let faultCode: i32 = 0;

/** Whether a walk leaves traces: time, cache contents, accessed and dirty bits. */
let timed: bool = false;

@inline function guestBase(): usize {
  return <usize>load<u32>(Region.HEADER, Header.GUEST_BASE);
}

@inline function fail(need: i64, code: i32): bool {
  if ((need & TlbData.WRITABLE) != 0) code |= PageFaultCode.WRITE;
  if ((need & TlbData.USER) != 0) code |= PageFaultCode.USER;
  if ((need & NEED_EXECUTE) != 0) code |= PageFaultCode.FETCH;
  faultCode = code;
  return false;
}

/** Sets bits in a table entry that lack there. */
@inline function mark(cpu: usize, physical: i64, entry: i64, bits: i64): void {
  if (!timed || (entry & bits) == bits) return;
  accessL1(cpu, cpu + Model.L1D, <u32>(physical >> 6), true);
  store<i64>(guestBase() + <usize>physical, entry | bits);
}

/** Walks the tables of the current address space; false after a fault. */
function walkTables(cpu: usize, va: i64, need: i64): bool {
  const guestBytes = load<i64>(Region.HEADER, Header.GUEST_BYTES);
  let table = load<i64>(cpu, Cpu.CR3) & FRAME_MASK;
  let permissions: i64 = TlbData.WRITABLE | TlbData.USER;
  let noExecute: i64 = 0;
  let level = load<i32>(cpu, Model.PAGING_LEVELS) - 1;
  if (timed) {
    const known = cachedLevel(cpu, va);
    if (known < 4) {
      table = cachedData & FRAME_MASK;
      permissions &= cachedData;
      noExecute = cachedData & NO_EXECUTE;
      level = known - 1;
    }
  }
  for (; level >= 0; level--) {
    if (timed && isNested(cpu)) nestedFrame(cpu, table >> 12);
    const physical = table + (((va >>> (12 + 9 * <i64>level)) & 511) << 3);
    if (physical >= guestBytes) return fail(need, PageFaultCode.PRESENT | PageFaultCode.RESERVED);
    if (timed) accessL1(cpu, cpu + Model.L1D, <u32>(physical >> 6), false);
    const entry = load<i64>(guestBase() + <usize>physical);
    if ((entry & PRESENT) == 0) return fail(need, 0);
    permissions &= entry;
    noExecute |= entry & NO_EXECUTE;
    if (level > 0 && (entry & PAGE_SIZE_BIT) == 0) {
      mark(cpu, physical, entry, ACCESSED);
      table = entry & FRAME_MASK;
      if (timed && level < 4) cacheTable(cpu, va, level, table | permissions | noExecute);
      continue;
    }
    const bytes = <i64>4096 << (9 * <i64>level);
    const frame = entry & FRAME_MASK & ~(bytes - 1);
    if (level >= 3 || frame + bytes > guestBytes) {
      return fail(need, PageFaultCode.PRESENT | PageFaultCode.RESERVED);
    }
    const flags = need & (TlbData.WRITABLE | TlbData.USER);
    if ((permissions & flags) != flags || ((need & NEED_EXECUTE) != 0 && noExecute != 0)) {
      return fail(need, PageFaultCode.PRESENT);
    }
    const used = (need & TlbData.WRITABLE) != 0 ? ACCESSED | TlbData.DIRTY : ACCESSED;
    mark(cpu, physical, entry, used);
    walkData = frame | permissions | noExecute | ((entry | used) & (TlbData.DIRTY | TlbData.GLOBAL));
    walkSize = level;
    if (timed && isNested(cpu)) hostPage(cpu, va);
    return true;
  }
  return false;
}

/**
 * The host maps the page too: its frame is looked up, and of a large guest page only the 4 KiB that
 * the host maps as one can be translated together.
 */
function hostPage(cpu: usize, va: i64): void {
  if (walkSize > 0) {
    const inPage = (<i64>4096 << (9 * <i64>walkSize)) - 1;
    walkData |= TlbData.FRACTURED | (va & inPage & FRAME_MASK);
    walkSize = 0;
  }
  nestedFrame(cpu, (walkData & FRAME_MASK) >> 12);
}

/** AccessSource of an access that needs this. */
@inline export function needSource(need: i64): i32 {
  if ((need & NEED_EXECUTE) != 0) return AccessSource.FETCH;
  return (need & TlbData.WRITABLE) != 0 ? AccessSource.WRITE : AccessSource.READ;
}

/** A walk by the hardware; posts its ticks. `need` is what the access needs, see tlb.allows. */
export function walk(cpu: usize, va: i64, need: i64): bool {
  beginWalk();
  const began = tickNow();
  count(cpu + Model.WALKS);
  waitForWalker();
  post(Stall.PAGE_WALK, load<i32>(cpu, Model.WALK_TICKS));
  timed = true;
  const done = walkTables(cpu, va, need);
  timed = false;
  freeWalker();
  endWalk();
  if (wanted(HardwareEvent.PAGE_WALK)) {
    const page: i32 = done ? walkSize : PageOutcome.NONE;
    const physical = done ? walkData & FRAME_MASK : 0;
    noteServed(HardwareEvent.PAGE_WALK, needSource(need), began, physical, page, ServedBy.WALK);
  }
  return done;
}

/** Whether the bits above the page tables' reach repeat the highest one in it. */
@inline export function isCanonical(cpu: usize, va: i64): bool {
  const above = <i64>(52 - 9 * load<i32>(cpu, Model.PAGING_LEVELS));
  return ((va << above) >> above) == va;
}

/**
 * What the page tables say, at no cost and without a trace: the physical address of `va`, or -1 if
 * an access with these PageFaultCode flags (WRITE, USER, FETCH) would fault (faultCode is set).
 */
export function translate(cpu: usize, va: i64, flags: i32): i32 {
  if (!isCanonical(cpu, va)) return -1;
  let need: i64 = 0;
  if ((flags & PageFaultCode.WRITE) != 0) need |= TlbData.WRITABLE;
  if ((flags & PageFaultCode.USER) != 0) need |= TlbData.USER;
  if ((flags & PageFaultCode.FETCH) != 0) need |= NEED_EXECUTE;
  if (!walkTables(cpu, va, need)) return -1;
  const offset = va & ((<i64>4096 << (9 * <i64>walkSize)) - 1);
  return <i32>((walkData & FRAME_MASK & ~((<i64>4096 << (9 * <i64>walkSize)) - 1)) + offset);
}
