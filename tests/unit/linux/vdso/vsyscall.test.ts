import { describe, expect, test } from 'vitest';
import { VdsoClockMode } from '../../../../machine/linux/include/vdso/datapage.ts';
import {
  update_vsyscall,
  update_vsyscall_tz,
} from '../../../../machine/linux/kernel/time/vsyscall.ts';
import type { VvarPage } from '../../../../machine/linux/kernel/time/vsyscall.ts';

const NSEC_PER_SEC = 1_000_000_000n;
const SHIFT = 24;

const TIMEKEEPER = {
  mult: 6_460_000,
  shift: SHIFT,
  cycleLast: 123_456_789_012n,
  xtimeSeconds: 1_700_000_000n,
  xtimeShiftedNs: 999_999_999n << 24n,
  wallToMonotonicNs: -1_699_999_000n * NSEC_PER_SEC + 500_000_000n,
  rawSeconds: 999n,
  rawShiftedNs: (7n << 24n) + 5n,
  bootOffsetNs: 3_600_600_000_000n,
  taiOffsetSeconds: 37,
};
const TSC = {
  clockMode: VdsoClockMode.TSC,
  mask: 0xffff_ffff_ffff_ffffn,
  rawMult: 6_459_999,
  resolutionNs: 1,
};

class RecordedPage implements VvarPage {
  readonly view = new DataView(new ArrayBuffer(4096));
  /** Sequence count of the first data at the time of each write. */
  readonly sequences: number[] = [];

  read32(offset: number): number {
    return this.view.getUint32(offset, true);
  }

  write32(offset: number, value: number): void {
    this.sequences.push(this.read32(128));
    this.view.setUint32(offset, value, true);
  }

  write64(offset: number, value: bigint): void {
    this.sequences.push(this.read32(128));
    this.view.setBigUint64(offset, value, true);
  }

  /** Seconds and nanoseconds of clock `id`; `raw` takes the second data. */
  base(id: number, raw = false): readonly [bigint, bigint] {
    const at = 128 + (raw ? 240 : 0) + 32 + id * 16;
    return [this.view.getBigUint64(at, true), this.view.getBigUint64(at + 8, true)];
  }
}

describe('update_vsyscall', () => {
  test('keeps the count odd while anything else is written, in both data', () => {
    const page = new RecordedPage();
    update_vsyscall(page, TIMEKEEPER, TSC);
    // The first write makes the first count odd, the last two make both even.
    expect(page.sequences[0]).toBe(0);
    expect(page.sequences.slice(1, -1).every((sequence) => sequence === 1)).toBe(true);
    expect([page.read32(128), page.read32(128 + 240)]).toEqual([2, 2]);
    expect(page.sequences.length).toBeGreaterThan(20);
  });

  test('writes where Linux 6.1 has each field', () => {
    const page = new RecordedPage();
    update_vsyscall(page, TIMEKEEPER, TSC);
    update_vsyscall_tz(page, -60, 1);
    const { view } = page;
    for (const [data, mult] of [
      [128, TIMEKEEPER.mult],
      [128 + 240, TSC.rawMult],
    ]) {
      expect(view.getInt32(data + 4, true)).toBe(1);
      expect(view.getBigUint64(data + 8, true)).toBe(TIMEKEEPER.cycleLast);
      expect(view.getBigUint64(data + 16, true)).toBe(TSC.mask);
      expect(view.getUint32(data + 24, true)).toBe(mult);
      expect(view.getUint32(data + 28, true)).toBe(SHIFT);
    }
    expect(view.getInt32(128 + 224, true)).toBe(-60);
    expect(view.getInt32(128 + 228, true)).toBe(1);
    expect(view.getUint32(128 + 232, true)).toBe(1);
  });

  test('derives each clock, with nanoseconds below a second', () => {
    const page = new RecordedPage();
    update_vsyscall(page, TIMEKEEPER, TSC);
    expect(page.base(0)).toEqual([1_700_000_000n, 999_999_999n << 24n]);
    // 1700000000.999999999 - 1699999000 + 0.5 = 1001.499999999
    expect(page.base(1)).toEqual([1001n, 499_999_999n << 24n]);
    expect(page.base(4, true)).toEqual([999n, (7n << 24n) + 5n]);
    expect(page.base(5)).toEqual([1_700_000_000n, 999_999_999n]);
    expect(page.base(6)).toEqual([1001n, 499_999_999n]);
    // 3600.6 s of sleep: 1001.499999999 + 3600.6 = 4602.099999999
    expect(page.base(7)).toEqual([4602n, 99_999_999n << 24n]);
    expect(page.base(11)).toEqual([1_700_000_037n, 999_999_999n << 24n]);
  });

  test('without a counter only what needs none is kept up to date', () => {
    const page = new RecordedPage();
    update_vsyscall(page, TIMEKEEPER, { ...TSC, clockMode: VdsoClockMode.NONE });
    expect(page.view.getInt32(128 + 4, true)).toBe(0);
    expect(page.base(5)).toEqual([1_700_000_000n, 999_999_999n]);
    expect(page.base(0)[0]).toBe(1_700_000_000n);
    expect(page.view.getBigUint64(128 + 8, true)).toBe(0n);
    expect(page.base(1)).toEqual([0n, 0n]);
  });
});
