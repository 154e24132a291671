/** The fixtures themselves: whole, small, explained, and consistent with each other. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { countedNames } from './agreements.ts';
import { loadCounts } from './counts.ts';
import type { VaryingReason } from './counts.ts';
import { fixtureNames, FIXTURES, loadBinary, loadFixture } from './fixtures.ts';
import { BINARIES, caseOf } from './programs.ts';
import { addressOf, entryOf, executableRanges, symbolOf } from './symbols.ts';

const BYTES_MAX = 6 << 20;

/** Functions whose counts may vary, and why; anything else in the fixtures is a surprise. */
const EXPLAINED: Readonly<Record<VaryingReason, RegExp>> = {
  // QEMU 7.2 passes 17 auxiliary entries, Linux more, among them AT_MINSIGSTKSZ, without which
  // glibc asks CPUID; it has no rseq system call; and its break does not start where Linux's does.
  auxv: /^(_dl_aux_init|get_common_indices.*|__tls_init_tp|__init_libc|_start_c|__malloc_alloc_meta)$/,
  // glibc enters the vDSO as a loaded object and looks up five symbols in it.
  vdso: /^(_start_c|_dl\w*(\.part\.0)?|do_lookup_x|check_match|_?_?calloc|_int_malloc|alloc_perturb|_init|_*pthread_mutex_(un)?lock\w*|__(strcmp|strlen|mem(cpy|set|move))_sse2\w*)$/,
  // The guest's level-2 cache has 8 ways, QEMU's 16.
  cpuid: /^handle_amd$/,
  // The name that /proc/self/exe leads to is copied, and arguments lie on the stack.
  stack:
    /^(_dl_get_origin|__libc_malloc|__(strcmp|strlen|mem(cpy|set|move))_sse2\w*|_int_malloc|memchr)$/,
};

describe('fixtures', () => {
  it('are small', () => {
    const files = readdirSync(FIXTURES).map((name) => statSync(join(FIXTURES, name)).size);
    expect(files.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(BYTES_MAX);
  });

  it.each(Object.keys(BINARIES))('%s is an x86-64 image with symbols', (name) => {
    const elf = loadBinary(name);
    expect([...elf.subarray(0, 7)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    expect(elf[18]).toBe(62);
    expect(symbolOf(elf, entryOf(elf))).toBe('_start');
    if (name !== 'bare') expect(addressOf(elf, 'main')).toBeGreaterThan(0);
    expect(executableRanges(elf).some(({ start, end }) => start < end)).toBe(true);
  });

  it('have an outcome for each case: a status or a signal, and no failed check', () => {
    for (const name of fixtureNames()) {
      const { exit, signal, stdout } = loadFixture(name);
      expect(exit === null, name).toBe(signal !== null);
      expect(stdout, name).not.toContain('FAILED');
    }
  });

  it('end by the signals that Linux sends', () => {
    const signalOf = (stop: string): string | null => loadFixture(`tour-glibc/${stop}`).signal;
    expect(signalOf('null-read')).toBe('SIGSEGV');
    expect(signalOf('undefined')).toBe('SIGILL');
    expect(signalOf('divide-zero')).toBe('SIGFPE');
    expect(signalOf('breakpoint')).toBe('SIGTRAP');
    expect(signalOf('stack-overflow')).toBe('SIGSEGV');
  });
});

describe('expected counts', () => {
  it.each(countedNames())('of %s begin at the entry point and are explained', (name) => {
    const elf = loadBinary(caseOf(name).binary);
    const { qemu, varying } = loadCounts(name);
    expect(qemu.get(entryOf(elf))).toBe(1);
    expect(qemu.size).toBeGreaterThan(10);
    for (const [address, { reason }] of varying) {
      expect(symbolOf(elf, address), `${name} 0x${address.toString(16)}`).toMatch(
        EXPLAINED[reason],
      );
    }
  });

  it('report differences with symbol, address and both counts', () => {
    const expected = loadCounts('hello-musl');
    const entry = entryOf(loadBinary('hello-musl'));
    const actual = new Map(expected.qemu);
    expect(expected.differences(actual)).toEqual([]);
    actual.set(entry, 2);
    expect(expected.differences(actual)).toEqual([
      {
        symbol: '_start',
        address: `0x${entry.toString(16)}`,
        expected: 1,
        actual: 2,
        reason: undefined,
      },
    ]);
    actual.delete(entry);
    expect(expected.differences(actual)).toHaveLength(1);
  });

  it('say where the machine stands at varying addresses', () => {
    const expected = loadCounts('hello-musl');
    const native = new Map([...expected.varying].map(([address, both]) => [address, both.native]));
    const report = expected.varyingReport(native);
    expect(report.asNative).toBe(report.addresses);
    expect(report.neither).toEqual({});
    const wrong = new Map([...expected.varying.keys()].map((address) => [address, -1]));
    const { asNative, neither } = expected.varyingReport(wrong);
    expect(asNative).toBe(0);
    expect(neither).toEqual({ 'auxv: __init_libc': report.addresses });
  });
});
