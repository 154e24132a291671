import { describe, expect, test } from 'vitest';
import { buildVdsoImage } from '../../../../machine/linux/arch/x86/entry/vdso/vdso2c.ts';
import { VdsoClockMode } from '../../../../machine/linux/include/vdso/datapage.ts';
import {
  update_vsyscall,
  update_vsyscall_tz,
} from '../../../../machine/linux/kernel/time/vsyscall.ts';
import { WHY_NOT_NATIVE, runNatively } from '../run-natively.ts';
import { FILLER, buildSelfTest, parseSelfTest } from './self-test-program.ts';
import type { SelfTestCall, SelfTestRow } from './self-test-program.ts';

const NSEC_PER_SEC = 1_000_000_000n;
const EINVAL = 22n;
const SHIFT = 24;
const TIMEKEEPER = {
  // 2.6 GHz; what the host's counter really does is of no matter.
  mult: 6_452_775,
  shift: SHIFT,
  cycleLast: 0n,
  xtimeSeconds: 1_700_000_000n,
  xtimeShiftedNs: 987_654_321n << 24n,
  wallToMonotonicNs: -1_699_999_000n * NSEC_PER_SEC,
  rawSeconds: 999n,
  rawShiftedNs: 7n << 24n,
  bootOffsetNs: 5n * NSEC_PER_SEC,
  taiOffsetSeconds: 37,
};

function vvarPage(clockMode: VdsoClockMode): Uint8Array {
  const view = new DataView(new ArrayBuffer(4096));
  const page = {
    read32: (offset: number): number => view.getUint32(offset, true),
    write32: (offset: number, value: number): void => view.setUint32(offset, value, true),
    write64: (offset: number, value: bigint): void => view.setBigUint64(offset, value, true),
  };
  const clock = { mask: 2n ** 64n - 1n, rawMult: 6_452_000, resolutionNs: 1 };
  update_vsyscall(page, TIMEKEEPER, { ...clock, clockMode: VdsoClockMode.TSC });
  if (clockMode !== VdsoClockMode.TSC) update_vsyscall(page, TIMEKEEPER, { ...clock, clockMode });
  update_vsyscall_tz(page, -60, 1);
  return new Uint8Array(view.buffer);
}

function run(
  calls: readonly SelfTestCall[],
  { features = ['rdtscp'], clockMode = VdsoClockMode.TSC } = {},
): { base: bigint; rows: SelfTestRow[] } {
  const vdso = buildVdsoImage({ features, hz: 250 });
  const { status, signal, stdout } = runNatively(buildSelfTest(vdso, vvarPage(clockMode), calls));
  expect([status, signal]).toEqual([0, null]);
  return parseSelfTest(stdout);
}

/** Nanoseconds of a clock that stood at `base` (seconds, ns << shift) when the counter was `from`. */
function clockAt(
  counter: bigint,
  clock: { from: bigint; seconds: bigint; shifted: bigint; mult: bigint },
): bigint {
  const ns = ((counter - clock.from) * clock.mult + clock.shifted) >> BigInt(SHIFT);
  return clock.seconds * NSEC_PER_SEC + ns;
}

const gettime = (clock: number): SelfTestCall => ({ name: '__vdso_clock_gettime', clock });

const { xtimeSeconds, xtimeShiftedNs } = TIMEKEEPER;
const MULT = BigInt(TIMEKEEPER.mult);
const HRES = [
  { name: 'REALTIME', id: 0, seconds: xtimeSeconds, shifted: xtimeShiftedNs, mult: MULT },
  { name: 'MONOTONIC', id: 1, seconds: 1000n, shifted: xtimeShiftedNs, mult: MULT },
  { name: 'MONOTONIC_RAW', id: 4, seconds: 999n, shifted: 7n << 24n, mult: 6_452_000n },
  { name: 'BOOTTIME', id: 7, seconds: 1005n, shifted: xtimeShiftedNs, mult: MULT },
  { name: 'TAI', id: 11, seconds: xtimeSeconds + 37n, shifted: xtimeShiftedNs, mult: MULT },
];

describe.skipIf(WHY_NOT_NATIVE !== undefined)('the vDSO on a real processor', () => {
  test.each([[['rdtscp']], [['lfence_rdtsc']], [[]]])(
    'high-resolution clocks lie between counter readings (%s)',
    (features) => {
      const { base, rows } = run(
        HRES.map(({ id }) => gettime(id)),
        { features },
      );
      for (const [i, clock] of HRES.entries()) {
        const { before, result, words, after } = rows[i];
        const ns = words[0] * NSEC_PER_SEC + words[1];
        expect([result, words[2]]).toEqual([0n, FILLER]);
        expect(words[1] < NSEC_PER_SEC).toBe(true);
        expect(ns >= clockAt(before, { from: base, ...clock })).toBe(true);
        expect(ns <= clockAt(after, { from: base, ...clock })).toBe(true);
      }
    },
  );

  test('coarse clocks are those of the last tick', () => {
    const { rows } = run([gettime(5), gettime(6)]);
    expect(rows.map(({ words }) => words.slice(0, 2))).toEqual([
      [1_700_000_000n, 987_654_321n],
      [1000n, 987_654_321n],
    ]);
  });

  test('clocks that need the kernel, and ids that are none, go to the kernel', () => {
    const { rows } = run([gettime(2), gettime(3), gettime(10), gettime(16), gettime(-1)]);
    expect(rows.map(({ result }) => result)).toEqual([0n, 0n, -EINVAL, -EINVAL, -EINVAL]);
    for (const { words } of rows.slice(0, 2)) expect(words[0]).toBe(0n);
    for (const { words } of rows.slice(2)) expect(words[0]).toBe(FILLER);
  });

  test('without a counter the kernel tells the time', () => {
    const before = BigInt(Date.now());
    const { rows } = run(
      [gettime(0), { name: '__vdso_gettimeofday' }, gettime(5), { name: '__vdso_time' }],
      { clockMode: VdsoClockMode.NONE },
    );
    const after = BigInt(Date.now());
    const milliseconds = [
      rows[0].words[0] * 1000n + rows[0].words[1] / 1_000_000n,
      rows[1].words[0] * 1000n + rows[1].words[1] / 1000n,
    ];
    for (const ms of milliseconds) expect(ms >= before && ms <= after).toBe(true);
    // These two need no counter: they still come from the page.
    expect(rows[2].words[0]).toBe(1_700_000_000n);
    expect(rows[3].result).toBe(1_700_000_000n);
  });

  test('gettimeofday counts microseconds and knows the time zone', () => {
    const { base, rows } = run([
      { name: '__vdso_gettimeofday' },
      { name: '__vdso_gettimeofday', buffers: 'none' },
    ]);
    const [{ before, result, words, after }, nothing] = rows;
    const clock = { from: base, ...HRES[0] };
    const microseconds = words[0] * 1_000_000n + words[1];
    expect(result).toBe(0n);
    expect(microseconds >= clockAt(before, clock) / 1000n).toBe(true);
    expect(microseconds <= clockAt(after, clock) / 1000n).toBe(true);
    expect(BigInt.asIntN(32, words[2])).toBe(-60n);
    expect(words[2] >> 32n).toBe(1n);
    expect([nothing.result, nothing.words[0]]).toEqual([0n, FILLER]);
  });

  test('time returns whole seconds and stores them if asked to', () => {
    const { rows } = run([{ name: '__vdso_time' }, { name: '__vdso_time', buffers: 'none' }]);
    expect(rows.map(({ result }) => result)).toEqual([1_700_000_000n, 1_700_000_000n]);
    expect(rows.map(({ words }) => words[0])).toEqual([1_700_000_000n, FILLER]);
  });

  test('clock_getres', () => {
    const getres = (clock: number): SelfTestCall => ({ name: '__vdso_clock_getres', clock });
    const { rows } = run([
      getres(1),
      getres(4),
      getres(5),
      getres(16),
      { ...getres(0), buffers: 'none' },
    ]);
    expect(rows.map(({ result }) => result)).toEqual([0n, 0n, 0n, -EINVAL, 0n]);
    expect(rows.map(({ words }) => words[1])).toEqual([1n, 1n, 4_000_000n, FILLER, FILLER]);
  });

  test('getcpu names a CPU of this machine', () => {
    const { rows } = run([{ name: '__vdso_getcpu' }, { name: '__vdso_getcpu', buffers: 'none' }]);
    expect(rows.map(({ result }) => result)).toEqual([0n, 0n]);
    expect(BigInt.asUintN(32, rows[0].words[0])).toBeLessThan(4096n);
    expect(rows[0].words[0] >> 32n).toBe(FILLER >> 32n);
    expect(BigInt.asUintN(32, rows[0].words[2])).toBeLessThan(64n);
    expect(rows[1].words[0]).toBe(FILLER);
  });
});
