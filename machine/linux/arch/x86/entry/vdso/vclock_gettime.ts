/**
 * The vDSO's clocks in x86-64 code, after Linux 6.1 lib/vdso/gettimeofday.c and
 * arch/x86/include/asm/vdso/gettimeofday.h. Instruction for instruction about what gcc 12 makes of
 * the C, since user code pays for each one: 57 instructions for CLOCK_MONOTONIC with rdtscp.
 * Omits: Hyper-V's clock, and the clocks of time namespaces (the tests for them are there).
 */
import type { Assembler } from '../../../../../hardware/cpu/assembler.ts';
import { address, byte, dword, qword, registers } from '../../../../../hardware/cpu/operands.ts';
import type { Label, Register } from '../../../../../hardware/cpu/operands.ts';
import { NR } from '../../../../include/uapi/asm/unistd-64.ts';
import {
  CLOCKS_MAX,
  ClockId,
  Timespec,
  Timeval,
  Timezone,
} from '../../../../include/uapi/linux/time.ts';
import {
  BaseTime,
  VdsoBase,
  VdsoClockMode,
  VdsoClocks,
  VdsoData,
} from '../../../../include/vdso/datapage.ts';
import { PVCLOCK_TSC_STABLE, PvClockInfo } from '../../../../kernel/time/pvclock.ts';

const { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi } = registers;
const { eax, ecx, edx, ebx, edi, esi, r8d, r11d, r12, r13, al, cl, r10, r11, r11b } = registers;

const NSEC_PER_SEC = 1_000_000_000;
/** n / 1000 is (n * 0x10624dd3) >> 38 for every n below 2^32: how compilers divide. */
const DIVIDE_BY_1000 = { factor: 0x10624dd3, shift: 38 } as const;

/** How `rdtsc_ordered` is patched for the CPU: the last alternative that applies wins. */
export type OrderedTsc = 'rdtscp' | 'lfence; rdtsc' | 'rdtsc';

export interface ClockCode {
  readonly asm: Assembler;
  /** The first vdso_data in the vvar page, and in the page of a time namespace. */
  readonly data: Label;
  readonly timens: Label;
  /** The page that KVM writes. */
  readonly pvclock: Label;
  readonly orderedTsc: OrderedTsc;
  /** Nanoseconds of a tick: the resolution of the coarse clocks. */
  readonly tickNs: number;
}

const baseTime = (clock: ClockId): number => VdsoData.BASETIME + clock * BaseTime.BYTES;

/** `rdtsc_ordered`: rax = the TSC. The kernel patches five bytes and fills up with no-operations. */
function emitOrderedTsc({ asm, orderedTsc }: ClockCode): void {
  if (orderedTsc === 'rdtscp') {
    asm.rdtscp();
    asm.bytes([0x66, 0x90]);
  } else if (orderedTsc === 'lfence; rdtsc') {
    asm.lfence();
    asm.rdtsc();
  } else {
    asm.rdtsc();
    asm.bytes([0x0f, 0x1f, 0x00]);
  }
  asm.shl(rdx, 32);
  asm.or(rax, rdx);
}

/** `vread_pvclock`: rax = nanoseconds by KVM's page. Goes to `none` if CPUs may disagree. */
function emitPvclock(code: ClockCode, none: Label): void {
  const { asm, pvclock } = code;
  const [retry, right, scaled] = Array.from({ length: 3 }, () => asm.newLabel());
  asm.bind(retry);
  asm.mov(r8d, dword(pvclock, PvClockInfo.VERSION));
  asm.and(r8d, -2);
  asm.test(byte(pvclock, PvClockInfo.FLAGS), PVCLOCK_TSC_STABLE);
  asm.je(none);
  emitOrderedTsc(code);
  asm.sub(rax, qword(pvclock, PvClockInfo.TSC_TIMESTAMP));
  asm.movsx(ecx, byte(pvclock, PvClockInfo.SHIFT));
  asm.test(ecx, ecx);
  asm.js(right);
  asm.shl(rax, cl);
  asm.jmp(scaled);
  asm.bind(right);
  asm.neg(ecx);
  asm.shr(rax, cl);
  asm.bind(scaled);
  asm.mov(edx, dword(pvclock, PvClockInfo.MULTIPLIER));
  asm.mul(rdx);
  asm.shrd(rax, rdx, 32);
  asm.add(rax, qword(pvclock, PvClockInfo.SYSTEM_TIME));
  asm.cmp(r8d, dword(pvclock, PvClockInfo.VERSION));
  asm.jne(retry);
  // A negative counter means that there is none: the sign is taken off.
  asm.add(rax, rax);
  asm.shr(rax, 1);
  asm.ret();
}

/** `__arch_get_hw_counter(edi = clock mode)`: rax = the counter, negative when there is none. */
function emitCounter(code: ClockCode): Label {
  const { asm } = code;
  return asm.function('__arch_get_hw_counter', () => {
    const [other, none] = [asm.newLabel(), asm.newLabel()];
    asm.cmp(edi, VdsoClockMode.TSC);
    asm.jne(other);
    emitOrderedTsc(code);
    asm.ret();
    asm.bind(other);
    asm.cmp(edi, VdsoClockMode.PVCLOCK);
    asm.jne(none);
    emitPvclock(code, none);
    asm.bind(none);
    asm.mov(rax, -1);
    asm.ret();
  });
}

/**
 * `do_hres`: the read loop of a high-resolution clock. `data` points at its vdso_data and `base`
 * to where its base time is. Leaves seconds in rsi and nanoseconds in rax. Returns what emits the
 * part for a busy sequence count, which belongs out of the way.
 */
function emitReadHres(
  { asm }: ClockCode,
  operands: {
    readonly data: Register;
    /** Sets rsi to the vdso_data displaced by the base time's offset, if that is not constant. */
    readonly locateBase?: () => void;
    readonly base: { readonly register: Register; readonly offset: number };
    readonly seq: { readonly whole: Register; readonly low: Register };
    readonly counter: Label;
    readonly fallback: Label;
  },
): () => void {
  const { data, base, seq, counter, fallback } = operands;
  const [retry, busy, still, normal, carry] = Array.from({ length: 5 }, () => asm.newLabel());
  asm.bind(retry);
  asm.mov(seq.whole, dword(data, VdsoData.SEQ));
  asm.test(seq.low, 1);
  asm.jne(busy);
  asm.mov(edi, dword(data, VdsoData.CLOCK_MODE));
  asm.call(counter);
  asm.mov(rdx, rax);
  asm.test(rax, rax);
  asm.js(fallback);
  operands.locateBase?.();
  asm.mov(rcx, qword(data, VdsoData.CYCLE_LAST));
  asm.mov(edi, dword(data, VdsoData.MULT));
  asm.mov(rax, qword(base.register, base.offset + BaseTime.NANOSECONDS));
  // A counter that is behind on another CPU counts as no time at all.
  asm.cmp(rcx, rdx);
  asm.jae(still);
  asm.sub(rdx, rcx);
  asm.imul(rdx, rdi);
  asm.add(rax, rdx);
  asm.bind(still);
  asm.mov(ecx, dword(data, VdsoData.SHIFT));
  asm.mov(rsi, qword(base.register, base.offset + BaseTime.SECONDS));
  asm.mov(edx, dword(data, VdsoData.SEQ));
  asm.cmp(seq.whole, edx);
  asm.jne(retry);
  asm.shr(rax, cl);
  // Less than a second passes between ticks, so subtracting beats dividing.
  asm.cmp(rax, NSEC_PER_SEC - 1);
  asm.jbe(normal);
  asm.xor(edx, edx);
  asm.bind(carry);
  asm.sub(rax, NSEC_PER_SEC);
  asm.add(edx, 1);
  asm.cmp(rax, NSEC_PER_SEC - 1);
  asm.ja(carry);
  asm.add(rsi, rdx);
  asm.bind(normal);
  return () => {
    asm.bind(busy);
    asm.pause();
    asm.jmp(retry);
  };
}

/** `do_coarse`: copies the base time at rax to the timespec in r12, consistently. */
function emitReadCoarse({ asm }: ClockCode, done: Label): void {
  const [retry, busy] = [asm.newLabel(), asm.newLabel()];
  asm.bind(retry);
  asm.mov(ecx, dword(r13, VdsoData.SEQ));
  asm.test(cl, 1);
  asm.jne(busy);
  asm.mov(rsi, qword(rax, BaseTime.SECONDS));
  asm.mov(qword(r12, Timespec.SECONDS), rsi);
  asm.mov(rsi, qword(rax, BaseTime.NANOSECONDS));
  asm.mov(qword(r12, Timespec.NANOSECONDS), rsi);
  asm.mov(esi, dword(r13, VdsoData.SEQ));
  asm.cmp(ecx, esi);
  asm.je(done);
  asm.jmp(retry);
  asm.bind(busy);
  asm.pause();
  asm.jmp(retry);
}

/** `__vdso_clock_gettime(edi = clock id, rsi = struct timespec *)`. */
function emitClockGettime(code: ClockCode, counter: Label): Label {
  const { asm, data } = code;
  return asm.function('__vdso_clock_gettime', () => {
    const [hres, other, coarse, done, leave, fallback] = Array.from({ length: 6 }, () =>
      asm.newLabel(),
    );
    asm.push(rbp);
    asm.mov(rbp, rsp);
    asm.push(r13);
    asm.push(r12);
    asm.mov(r12, rsi);
    asm.push(rbx);
    asm.movsxd(rbx, edi);
    asm.cmp(ebx, CLOCKS_MAX - 1);
    asm.ja(fallback);
    asm.mov(ecx, ebx);
    asm.mov(eax, 1);
    asm.lea(r13, address(data));
    asm.shl(eax, cl);
    asm.test(eax, VdsoClocks.HRES);
    asm.je(other);
    asm.bind(hres);
    const emitBusy = emitReadHres(code, {
      data: r13,
      locateBase: () => {
        asm.mov(rsi, rbx);
        asm.shl(rsi, BaseTime.SHIFT);
        asm.add(rsi, r13);
      },
      base: { register: rsi, offset: VdsoData.BASETIME },
      seq: { whole: r11d, low: r11b },
      counter,
      fallback,
    });
    asm.mov(qword(r12, Timespec.SECONDS), rsi);
    asm.mov(qword(r12, Timespec.NANOSECONDS), rax);
    asm.bind(done);
    asm.xor(eax, eax);
    asm.bind(leave);
    asm.pop(rbx);
    asm.pop(r12);
    asm.pop(r13);
    asm.pop(rbp);
    asm.ret();
    emitBusy();
    asm.bind(fallback);
    asm.mov(edi, ebx);
    asm.mov(rsi, r12);
    asm.mov(eax, NR.clock_gettime);
    asm.syscall();
    asm.jmp(leave);
    asm.bind(other);
    asm.test(al, VdsoClocks.COARSE);
    asm.jne(coarse);
    asm.test(al, VdsoClocks.RAW);
    asm.je(fallback);
    asm.add(r13, VdsoBase.RAW * VdsoData.BYTES);
    asm.jmp(hres);
    asm.bind(coarse);
    asm.lea(rax, address(rbx, VdsoData.BASETIME / BaseTime.BYTES));
    asm.shl(rax, BaseTime.SHIFT);
    asm.add(rax, r13);
    emitReadCoarse(code, done);
  });
}

/** Points `target` at the vdso_data, or at the real one when this page is a time namespace's. */
function emitSelectData({ asm, data, timens }: ClockCode, target: Register, spare: Register): void {
  asm.lea(target, address(timens));
  asm.lea(spare, address(data));
  asm.cmp(dword(data, VdsoData.CLOCK_MODE), VdsoClockMode.TIMENS);
  asm.cmovne(target, spare);
}

/** `__vdso_gettimeofday(rdi = struct timeval *, rsi = struct timezone *)`; both may be null. */
function emitGettimeofday(code: ClockCode, counter: Label): Label {
  const { asm, data } = code;
  return asm.function('__vdso_gettimeofday', () => {
    const [noTime, zone, done, leave, fallback] = Array.from({ length: 5 }, () => asm.newLabel());
    asm.push(rbp);
    asm.mov(r10, rdi);
    asm.mov(r11, rsi);
    asm.mov(rbp, rsp);
    asm.push(r12);
    asm.lea(r12, address(data));
    asm.push(rbx);
    asm.test(rdi, rdi);
    asm.je(noTime);
    const emitBusy = emitReadHres(code, {
      data: r12,
      base: { register: r12, offset: baseTime(ClockId.REALTIME) },
      seq: { whole: ebx, low: registers.bl },
      counter,
      fallback,
    });
    asm.mov(eax, eax);
    asm.mov(qword(r10, Timeval.SECONDS), rsi);
    asm.imul(rax, rax, DIVIDE_BY_1000.factor);
    asm.shr(rax, DIVIDE_BY_1000.shift);
    asm.mov(eax, eax);
    asm.mov(qword(r10, Timeval.MICROSECONDS), rax);
    asm.bind(noTime);
    asm.test(r11, r11);
    asm.jne(zone);
    asm.bind(done);
    asm.xor(eax, eax);
    asm.bind(leave);
    asm.pop(rbx);
    asm.pop(r12);
    asm.pop(rbp);
    asm.ret();
    asm.bind(zone);
    emitSelectData(code, rax, rdx);
    asm.mov(edx, dword(rax, VdsoData.TZ_MINUTESWEST));
    asm.mov(dword(r11, Timezone.MINUTES_WEST), edx);
    asm.mov(eax, dword(rax, VdsoData.TZ_DSTTIME));
    asm.mov(dword(r11, Timezone.DST_TIME), eax);
    asm.jmp(done);
    emitBusy();
    asm.bind(fallback);
    asm.mov(eax, NR.gettimeofday);
    asm.mov(rdi, r10);
    asm.mov(rsi, r11);
    asm.syscall();
    asm.jmp(leave);
  });
}

/** `__vdso_time(rdi = time_t *)`, which may be null. */
function emitTime(code: ClockCode): Label {
  const { asm } = code;
  return asm.function('__vdso_time', () => {
    const done = asm.newLabel();
    emitSelectData(code, rax, rdx);
    asm.mov(rax, qword(rax, baseTime(ClockId.REALTIME) + BaseTime.SECONDS));
    asm.test(rdi, rdi);
    asm.je(done);
    asm.mov(qword(rdi), rax);
    asm.bind(done);
    asm.ret();
  });
}

/** `__vdso_clock_getres(edi = clock id, rsi = struct timespec *)`; the result may be null. */
function emitClockGetres(code: ClockCode): Label {
  const { asm } = code;
  return asm.function('__vdso_clock_getres', () => {
    const [fine, store, done, fallback] = Array.from({ length: 4 }, () => asm.newLabel());
    asm.cmp(edi, CLOCKS_MAX - 1);
    asm.ja(fallback);
    emitSelectData(code, rdx, rax);
    asm.mov(ecx, edi);
    asm.mov(eax, 1);
    asm.shl(eax, cl);
    asm.test(eax, VdsoClocks.HRES | VdsoClocks.RAW);
    asm.jne(fine);
    asm.test(al, VdsoClocks.COARSE);
    asm.je(fallback);
    asm.mov(eax, code.tickNs);
    asm.bind(store);
    asm.test(rsi, rsi);
    asm.je(done);
    asm.mov(qword(rsi, Timespec.SECONDS), 0);
    asm.mov(qword(rsi, Timespec.NANOSECONDS), rax);
    asm.bind(done);
    asm.xor(eax, eax);
    asm.ret();
    asm.bind(fine);
    asm.mov(eax, dword(rdx, VdsoData.HRTIMER_RES));
    asm.jmp(store);
    asm.bind(fallback);
    asm.mov(eax, NR.clock_getres);
    asm.syscall();
    asm.ret();
  });
}

/** Emits the counter and all clock functions. */
export function emitClockFunctions(code: ClockCode): void {
  const counter = emitCounter(code);
  emitGettimeofday(code, counter);
  emitTime(code);
  emitClockGettime(code, counter);
  emitClockGetres(code);
}
