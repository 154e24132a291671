/**
 * Reads clocks through the vDSO and through the system call, and measures each way by itself: what
 * does user mode save by reading the time without entering the kernel? Each phase is one clock read
 * one way. A failed call, or an impossible time, ends the program with status 1.
 */
import { CLOCK_NAMES, ClockId, Timespec } from '../../machine/linux/include/uapi/linux/time.ts';
import { qword, registers } from '../lib/assembly.ts';
import type { Label } from '../lib/assembly.ts';
import type { Guest } from '../lib/guest.ts';
import { choice, integer } from '../lib/parameters.ts';
import { defineWorkload } from '../lib/program.ts';
import { findVdsoFunction } from '../lib/vdso-lookup.ts';

const { rax, eax, rsi, rdi, rbx, rbp, ebp, r12, r15d } = registers;

const NSEC_PER_SEC = 1_000_000_000;

const CLOCKS = {
  REALTIME: ClockId.REALTIME,
  MONOTONIC: ClockId.MONOTONIC,
  PROCESS_CPUTIME_ID: ClockId.PROCESS_CPUTIME_ID,
  THREAD_CPUTIME_ID: ClockId.THREAD_CPUTIME_ID,
  MONOTONIC_RAW: ClockId.MONOTONIC_RAW,
  REALTIME_COARSE: ClockId.REALTIME_COARSE,
  MONOTONIC_COARSE: ClockId.MONOTONIC_COARSE,
  BOOTTIME: ClockId.BOOTTIME,
  TAI: ClockId.TAI,
} as const;

type ClockName = keyof typeof CLOCKS;
const CLOCK_CHOICES = [...(Object.keys(CLOCKS) as ClockName[]), 'all'] as const;

type Method = 'vdso' | 'syscall';

interface Measurement {
  readonly clock: ClockId;
  readonly method: Method;
}

function measurements(values: {
  readonly clock: ClockName | 'all';
  readonly method: Method | 'both';
}): Measurement[] {
  const clocks = values.clock === 'all' ? Object.values(CLOCKS) : [CLOCKS[values.clock]];
  const methods: readonly Method[] =
    values.method === 'both' ? ['vdso', 'syscall'] : [values.method];
  return clocks.flatMap((clock) => methods.map((method) => ({ clock, method })));
}

const phaseName = ({ clock, method }: Measurement): string =>
  `${CLOCK_NAMES[clock] ?? ''}/${method}`;

/** Emits one reading of `clock` into `time`; errors gather in r15. The vDSO's function is in r12. */
function emitReading(guest: Guest, { clock, method }: Measurement, time: Label): void {
  const { asm } = guest;
  if (method === 'syscall') {
    guest.syscall('clock_gettime', clock, time);
  } else {
    guest.load(rsi, time);
    guest.load(rdi, clock);
    asm.call(r12);
  }
  asm.or(r15d, eax);
}

/** r12 = the vDSO's clock_gettime, or a function that makes the system call. */
function emitFindClockGettime(guest: Guest): void {
  const { asm } = guest;
  const [absent, done] = [asm.newLabel(), asm.newLabel()];
  const fallback = guest.routine('clock_gettime_syscall', () => {
    guest.syscall('clock_gettime');
    asm.ret();
  });
  findVdsoFunction(guest, '__vdso_clock_gettime');
  asm.mov(r12, rax);
  asm.test(rax, rax);
  asm.je(absent);
  guest.print('vdso: found\n');
  asm.jmp(done);
  asm.bind(absent);
  guest.load(r12, fallback);
  guest.print('vdso: absent, making system calls\n');
  asm.bind(done);
}

export const vdsoVsSyscall = defineWorkload({
  name: 'vdso-vs-syscall',
  summary: 'clock_gettime through the vDSO and through the system call',
  parameters: {
    clock: choice({
      choices: CLOCK_CHOICES,
      default: 'MONOTONIC',
      description: 'clock id without CLOCK_, or all of them in turn',
    }),
    method: choice({
      choices: ['vdso', 'syscall', 'both'],
      default: 'both',
      description: 'how the clock is read',
    }),
    operations: integer({
      default: 20_000,
      min: 1,
      max: 1_000_000_000,
      description: 'readings in each phase',
    }),
    warmup: integer({
      default: 200,
      min: 0,
      max: 1_000_000_000,
      description: 'readings before each phase that are not measured',
    }),
  },
  phases: (values) =>
    measurements(values).map((measurement) => ({
      name: phaseName(measurement),
      operations: values.operations,
    })),
  emit(guest, values) {
    const { asm } = guest;
    const time = guest.variable('time', Timespec.BYTES);
    const failed = asm.newLabel('failed');
    const done = asm.newLabel('done');
    asm.xor(r15d, r15d);
    emitFindClockGettime(guest);
    for (const [index, measurement] of measurements(values).entries()) {
      const reading = (): void => {
        emitReading(guest, measurement, time);
      };
      guest.repeat(rbx, values.warmup, reading);
      guest.phase(index, () => {
        guest.repeat(rbx, values.operations, reading);
      });
      asm.test(r15d, r15d);
      asm.jne(failed);
      asm.cmp(qword(time, Timespec.NANOSECONDS), NSEC_PER_SEC);
      asm.jae(failed);
      guest.print(`${phaseName(measurement)}: `);
      // What the loop left of its count, so that the number is counted and not just repeated.
      asm.mov(ebp, values.operations);
      asm.sub(rbp, rbx);
      guest.printDecimal(rbp);
      guest.print(' readings\n');
    }
    asm.xor(eax, eax);
    asm.jmp(done);
    asm.bind(failed);
    guest.print('a reading failed\n');
    asm.mov(eax, 1);
    asm.bind(done);
  },
});
