/**
 * The slow path of every guest memory access: what an access does that the inline filter does not
 * prove to be free. AssemblyScript; the exports are what executors and the kernel model call.
 *
 * The address of a CPU block, `cpu`, and of a BlockRecord, `record`, come with every call. A call
 * reports its ticks in Cpu.STALL whether it succeeds or faults. On a fault it sets EXIT_REASON,
 * EXIT_INFO, EXIT_ADDRESS and EXIT_RECORD.
 */
import { Budget, CodePage, Cpu, ExitReason, Header, Region } from '../layout';
import { Model, TlbData } from '../memory/model-layout';
import { accessL1, lastBack } from './cache';
import { beginOrder, isOrdered, mayAccess, mayLock, several } from './coherence';
import { setAddress } from './events';
import { clearFilters, dropWritesToPage, install, maskBit, mayInstall } from './filter';
import { beginAccess, count, endAccess } from './stall';
import {
  NEED_EXECUTE,
  entryData,
  entrySize,
  flushTlb,
  invalidateAddress,
  noteFilterLine,
  translateTimed,
} from './tlb';
import { faultCode, isCanonical, translate } from './walk';

export { clearFilters, dropWritesToPage, flushTlb, invalidateAddress, translate };

const VECTOR_GENERAL_PROTECTION: i32 = 13;
const FRAME_MASK: i64 = 0x000ffffffffff000;
const CPL_USER: i32 = 3;

/** Who accesses. */
const USER: bool = false;
const KERNEL: bool = true;

function generalProtection(cpu: usize, record: usize): void {
  store<i32>(cpu, ExitReason.EXCEPTION, Cpu.EXIT_REASON);
  store<i32>(cpu, VECTOR_GENERAL_PROTECTION, Cpu.EXIT_INFO);
  store<i32>(cpu, <i32>record, Cpu.EXIT_RECORD);
  endAccess(cpu);
}

function pageFault(cpu: usize, record: usize, va: i64): void {
  store<i32>(cpu, ExitReason.PAGE_FAULT, Cpu.EXIT_REASON);
  store<i32>(cpu, faultCode, Cpu.EXIT_INFO);
  store<i64>(cpu, va, Cpu.EXIT_ADDRESS);
  store<i32>(cpu, <i32>record, Cpu.EXIT_RECORD);
  endAccess(cpu);
}

@inline function guestBase(): u32 {
  return load<u32>(Region.HEADER, Header.GUEST_BASE);
}

/** Host address of `va`, given its TLB entry. */
@inline function hostOf(tlb: usize, entry: i32, va: i64): u32 {
  const inPage = (<u32>4096 << (9 * entrySize(tlb, entry))) - 1;
  return guestBase() + (<u32>(entryData(tlb, entry) & FRAME_MASK) & ~inPage) + (<u32>va & inPage);
}

/** Address of the CodePage byte of the page at a host address. */
@inline function codePageOf(host: u32): usize {
  return <usize>load<u32>(Region.HEADER, Header.CODE_PAGES) + <usize>((host - guestBase()) >> 12);
}

/** Notes a write to the page if it holds code. Returns whether it does. */
function noteCodeWrite(host: u32): bool {
  const state = codePageOf(host);
  const old = load<u8>(state);
  if (old == CodePage.NONE) return false;
  if (old != CodePage.WRITTEN) {
    store<u8>(state, CodePage.WRITTEN);
    store<i32>(Region.HEADER, load<i32>(Region.HEADER, Header.CODE_WRITTEN) + 1, Header.CODE_WRITTEN);
  }
  store<i32>(Region.HEADER, <i32>((host - guestBase()) >> 12), Header.CODE_WRITTEN_PAGE);
  return true;
}

/** Whether a user's write to the page must wait for the dispatcher; see CODE_WRITTEN. */
@inline function refuses(cpu: usize, host: u32): bool {
  return load<u8>(codePageOf(host)) != CodePage.NONE && load<i32>(cpu, Cpu.MAY_WRITE_CODE) == 0;
}

/** The translation has been paid for; when the instruction is tried again it is at hand. */
function refuse(cpu: usize, record: usize): usize {
  store<i32>(cpu, ExitReason.CODE_WRITTEN, Cpu.EXIT_REASON);
  store<i32>(cpu, <i32>record, Cpu.EXIT_RECORD);
  endAccess(cpu);
  return 0;
}

/** Makes the user block that wrote code the last one before the dispatcher; see CODE_WRITTEN. */
function leaveSoon(cpu: usize): void {
  store<i64>(cpu, load<i64>(cpu, Cpu.LIMIT) - Budget.FORCE, Cpu.LIMIT);
  store<i32>(cpu, load<i32>(cpu, Cpu.STALL) + Budget.FORCE, Cpu.STALL);
}

@inline function needOf(cpu: usize, kernel: bool, flags: i64): i64 {
  return !kernel && load<i32>(cpu, Cpu.CPL) == CPL_USER ? flags | TlbData.USER : flags;
}

/** Whether the access in progress has a `lock`. */
let locked: bool = false;

/**
 * Whether a user's access may happen now, among those of other CPUs. Only its first line counts: to
 * wait for two would be to let others take the one while waiting for the other.
 */
function inOrder(cpu: usize, host: u32, record: usize, write: bool): bool {
  const line = (host - guestBase()) >> 6;
  if (locked && !mayLock(cpu, record, line)) return false;
  return mayAccess(cpu, record, line, write);
}

/** Touches one data line and enters it in the filters, unless `entry` is -1. */
@inline function touchData(
  cpu: usize, va: i64, host: u32, write: bool, kernel: bool, entry: i32, filterWrite: bool,
): void {
  const dtlb = cpu + Model.DTLB;
  accessL1(cpu, cpu + Model.L1D, (host - guestBase()) >> 6, write);
  // An access that took the line may have made it one that CPUs access in order.
  if (entry < 0 || isOrdered(cpu, (host - guestBase()) >> 6)) return;
  const delta = <i32>host - <i32>va;
  const back = lastBack;
  install(cpu, Cpu.FILTER_READ, kernel, va, delta, back, false);
  if (filterWrite) install(cpu, Cpu.FILTER_WRITE, kernel, va, delta, back, false);
  noteFilterLine(dtlb, entry, maskBit(va, entrySize(dtlb, entry) != 0));
}

/** An access whose bytes all lie in one page. */
function accessPage(cpu: usize, va: i64, size: u32, record: usize, write: bool, kernel: bool): usize {
  const dtlb = cpu + Model.DTLB;
  const need = needOf(cpu, kernel, write ? TlbData.WRITABLE | TlbData.DIRTY : 0);
  const entry = translateTimed(cpu, dtlb, va, need);
  if (entry < 0) {
    pageFault(cpu, record, va);
    return 0;
  }
  const host = hostOf(dtlb, entry, va);
  if (write && !kernel && refuses(cpu, host)) return refuse(cpu, record);
  if (!kernel && several() && !inOrder(cpu, host, record, write)) return 0;
  const code = write && noteCodeWrite(host);
  const filtered = mayInstall(cpu, kernel) ? entry : -1;
  touchData(cpu, va, host, write, kernel, filtered, write && !code);
  if ((host & 63) + size > 64) {
    const second = 64 - (host & 63);
    setAddress(va + second);
    touchData(cpu, va + second, host + second, write, kernel, filtered, write && !code);
  }
  endAccess(cpu);
  if (code && !kernel) leaveSoon(cpu);
  return host;
}

/**
 * An access that crosses into the next page: both translations come first, so that it faults whole.
 * Never filtered: the second translation may have displaced the first.
 */
function accessTwoPages(cpu: usize, va: i64, size: u32, record: usize, write: bool, kernel: bool): usize {
  const dtlb = cpu + Model.DTLB;
  const need = needOf(cpu, kernel, write ? TlbData.WRITABLE | TlbData.DIRTY : 0);
  const entry = translateTimed(cpu, dtlb, va, need);
  if (entry < 0) {
    pageFault(cpu, record, va);
    return 0;
  }
  const host = hostOf(dtlb, entry, va);
  const size1 = 4096 - (<u32>va & 0xfff);
  const va2 = va + size1;
  setAddress(va2);
  const entry2 = translateTimed(cpu, dtlb, va2, need);
  if (entry2 < 0) {
    pageFault(cpu, record, va2);
    return 0;
  }
  const host2 = hostOf(dtlb, entry2, va2);
  if (write && !kernel && (refuses(cpu, host) || refuses(cpu, host2))) return refuse(cpu, record);
  if (!kernel && several() && !inOrder(cpu, host, record, write)) return 0;
  setAddress(va);
  touchData(cpu, va, host, write, kernel, -1, false);
  setAddress(va2);
  touchData(cpu, va2, host2, write, kernel, -1, false);
  endAccess(cpu);
  if (write) {
    const code = noteCodeWrite(host);
    if ((noteCodeWrite(host2) || code) && !kernel) leaveSoon(cpu);
  }
  if (host + size1 == host2) return host;
  const bounce = cpu + Cpu.BOUNCE;
  memory.copy(bounce, host, size1);
  memory.copy(bounce + size1, host2, size - size1);
  if (write) {
    store<u32>(cpu, host, Model.SPLIT_HOST);
    store<u32>(cpu, host2, Model.SPLIT_HOST2);
    store<u32>(cpu, size1, Model.SPLIT_SIZE);
    store<u32>(cpu, size - size1, Model.SPLIT_SIZE2);
    store<i32>(cpu, 1, Cpu.SPLIT_PENDING);
  }
  return bounce;
}

@inline function accessData(cpu: usize, va: i64, size: u32, record: usize, write: bool, kernel: bool): usize {
  beginAccess(cpu, record, false);
  setAddress(va);
  beginOrder();
  count(cpu + Model.SLOW_CALLS);
  if (!isCanonical(cpu, va) || !isCanonical(cpu, va + size - 1)) {
    generalProtection(cpu, record);
    return 0;
  }
  return (<u32>va & 0xfff) + size <= 4096
    ? accessPage(cpu, va, size, record, write, kernel)
    : accessTwoPages(cpu, va, size, record, write, kernel);
}

@inline function accessCode(cpu: usize, va: i64, record: usize, kernel: bool): bool {
  beginAccess(cpu, record, true);
  setAddress(va);
  count(cpu + Model.SLOW_CALLS);
  if (!isCanonical(cpu, va)) {
    generalProtection(cpu, record);
    return false;
  }
  const itlb = cpu + Model.ITLB;
  const entry = translateTimed(cpu, itlb, va, needOf(cpu, kernel, NEED_EXECUTE));
  if (entry < 0) {
    pageFault(cpu, record, va);
    return false;
  }
  const host = hostOf(itlb, entry, va);
  accessL1(cpu, cpu + Model.L1I, (host - guestBase()) >> 6, false);
  if (mayInstall(cpu, kernel)) {
    install(cpu, Cpu.FILTER_FETCH, kernel, va, <i32>host - <i32>va, lastBack, true);
    noteFilterLine(itlb, entry, maskBit(va, entrySize(itlb, entry) != 0));
  }
  endAccess(cpu);
  return true;
}

/**
 * A read of `size` (1..64) bytes. Returns the host address of the bytes, or 0 after a fault. Bytes
 * that cross into a frame elsewhere are gathered in Cpu.BOUNCE.
 */
export function read(cpu: usize, va: i64, size: u32, record: usize): usize {
  return accessData(cpu, va, size, record, false, USER);
}

/**
 * A write, or a read followed by a write. Returns where to store, or 0 after a fault; the bytes there
 * are current. If SPLIT_PENDING is set afterwards, commitSplit() must follow the store.
 */
export function write(cpu: usize, va: i64, size: u32, record: usize): usize {
  return accessData(cpu, va, size, record, true, USER);
}

/** A write with `lock`. */
export function writeLocked(cpu: usize, va: i64, size: u32, record: usize): usize {
  locked = true;
  const host = accessData(cpu, va, size, record, true, USER);
  locked = false;
  return host;
}

/** Carries the bytes of a store that crossed into a frame elsewhere from BOUNCE to their places. */
export function commitSplit(cpu: usize): void {
  const bounce = cpu + Cpu.BOUNCE;
  const size = load<u32>(cpu, Model.SPLIT_SIZE);
  memory.copy(load<u32>(cpu, Model.SPLIT_HOST), bounce, size);
  memory.copy(load<u32>(cpu, Model.SPLIT_HOST2), bounce + size, load<u32>(cpu, Model.SPLIT_SIZE2));
  store<i32>(cpu, 0, Cpu.SPLIT_PENDING);
}

/** Fetches instructions from the line of `va`. Returns 1, or 0 after a fault. */
export function fetch(cpu: usize, va: i64, record: usize): i32 {
  return accessCode(cpu, va, record, USER) ? 1 : 0;
}

// The kernel's own accesses: addresses in halves, because i64 parameters are slow from JavaScript.
// They return stall ticks, or -1 - ticks after a fault.

@inline function address(low: u32, high: u32): i64 {
  return (<i64>high << 32) | <i64>low;
}

@inline function ticksOrFault(cpu: usize, ok: bool): i32 {
  const ticks = load<i32>(cpu, Cpu.STALL);
  return ok ? ticks : -1 - ticks;
}

export function kernelRead(cpu: usize, low: u32, high: u32, record: usize): i32 {
  return ticksOrFault(cpu, accessData(cpu, address(low, high), 1, record, false, KERNEL) != 0);
}

export function kernelWrite(cpu: usize, low: u32, high: u32, record: usize): i32 {
  return ticksOrFault(cpu, accessData(cpu, address(low, high), 1, record, true, KERNEL) != 0);
}

export function kernelFetch(cpu: usize, low: u32, high: u32, record: usize): i32 {
  return ticksOrFault(cpu, accessCode(cpu, address(low, high), record, KERNEL));
}
