import { describe, expect, it } from 'vitest';
import { call, look, ScriptedKernel, type ScriptOptions } from './scripted-kernel.ts';
import { TINY_SEGMENTS, tinyElf } from './tiny-elf.ts';

function start(options: ScriptOptions = {}): ScriptedKernel {
  const scripted = new ScriptedKernel({ commandLine: 'norandmaps', ...options });
  if (scripted.startError !== null) throw new Error(scripted.startError.message);
  return scripted;
}

function bytesAt(scripted: ScriptedKernel, address: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const physical = scripted.hierarchy.translate(0, address + BigInt(i));
    if (physical < 0) throw new Error(`nothing at 0x${(address + BigInt(i)).toString(16)}`);
    out[i] = scripted.linear.u8[scripted.linear.guestBase + physical];
  }
  return out;
}

const wordAt = (scripted: ScriptedKernel, address: bigint): bigint =>
  new DataView(bytesAt(scripted, address, 8).buffer).getBigUint64(0, true);

function stringAt(scripted: ScriptedKernel, address: bigint): string {
  let text = '';
  for (let at = address; ; at++) {
    const [byte] = bytesAt(scripted, at, 1);
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
}

interface InitialStack {
  readonly argv: string[];
  readonly env: string[];
  readonly auxv: [number, bigint][];
}

function readStack(scripted: ScriptedKernel): InitialStack {
  let at = scripted.state.register(4);
  const next = (): bigint => {
    at += 8n;
    return wordAt(scripted, at - 8n);
  };
  const strings = (): string[] => {
    const list: string[] = [];
    for (let pointer = next(); pointer !== 0n; pointer = next())
      list.push(stringAt(scripted, pointer));
    return list;
  };
  const argc = Number(next());
  const argv = strings();
  expect(argv.length).toBe(argc);
  const env = strings();
  const auxv: [number, bigint][] = [];
  for (let type = next(); type !== 0n; type = next()) auxv.push([Number(type), next()]);
  return { argv, env, auxv };
}

describe('the initial stack', () => {
  const scripted = start({ argv: ['tiny', 'one', 'two words'], env: ['A=1', 'LONG=x y'] });
  const stack = readStack(scripted);
  const aux = new Map(stack.auxv);

  it('holds arguments and environment, 16-byte aligned', () => {
    expect(scripted.state.register(4) % 16n).toBe(0n);
    expect(stack.argv).toEqual(['tiny', 'one', 'two words']);
    expect(stack.env).toEqual(['A=1', 'LONG=x y']);
  });

  it("has the auxiliary vector in Linux's order", () => {
    expect(stack.auxv.map(([type]) => type)).toEqual([
      33, 51, 16, 6, 17, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 23, 25, 26, 31, 15, 27, 28,
    ]);
  });

  it('has values that fit the program', () => {
    expect(aux.get(6)).toBe(4096n);
    expect(aux.get(3)).toBe(0x400040n);
    expect(aux.get(4)).toBe(56n);
    expect(aux.get(5)).toBe(2n);
    expect(aux.get(9)).toBe(0x400200n);
    expect(stringAt(scripted, aux.get(31) ?? 0n)).toBe('/bin/tiny');
    expect(stringAt(scripted, aux.get(15) ?? 0n)).toBe('x86_64');
    expect(bytesAt(scripted, aux.get(25) ?? 0n, 16).some((byte) => byte !== 0)).toBe(true);
  });

  it('points to a vDSO image', () => {
    const vdso = aux.get(33) ?? 0n;
    expect(vdso % 4096n).toBe(0n);
    expect(scripted.kernel.current.mm?.vmas.find(Number(vdso))?.name).toBe('[vdso]');
  });
});

describe('the registers at the start', () => {
  it('are zero but rip, rsp and rflags', () => {
    const { state } = start();
    for (const gpr of [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) {
      expect(state.register(gpr)).toBe(0n);
    }
    expect(state.rip).toBe(0x400200n);
    expect(state.rflags & 0x202n).toBe(0x202n);
    expect([state.fsBase, state.gsBase]).toEqual([0n, 0n]);
  });
});

describe('address space layout', () => {
  const layout = (options: ScriptOptions): number[] => {
    const { mm } = start(options).kernel.current;
    if (mm === null) throw new Error('no address space');
    const stack = mm.vmas.list.find(({ name }) => name === '[stack]');
    return [stack?.end ?? 0, mm.mmapBase, mm.startBrk, mm.vdso];
  };

  it('is that of Linux without randomisation', () => {
    const [stackEnd, mmapBase, brk] = layout({});
    expect(stackEnd).toBe(0x7ffffffff000);
    expect(mmapBase).toBe(0x7ffff7fff000);
    expect(brk).toBe(0x404000);
  });

  it('follows the seed with randomisation', () => {
    const random = { commandLine: '' };
    expect(layout({ ...random, seed: 5 })).toEqual(layout({ ...random, seed: 5 }));
    const [a, b] = [layout({ ...random, seed: 5 }), layout({ ...random, seed: 6 })];
    a.forEach((value, i) => {
      expect(value).not.toBe(b[i]);
    });
  });

  it('leaves the heap after the program with randomize_va_space=1', () => {
    expect(layout({ commandLine: 'kernel.randomize_va_space=1' })[2]).toBe(0x404000);
  });

  it('has no vDSO with vdso=0', () => {
    const scripted = start({ commandLine: 'norandmaps vdso=0' });
    expect(readStack(scripted).auxv.some(([type]) => type === 33)).toBe(false);
  });
});

describe('segments', () => {
  it('are readable with their contents, and bss is zero', () => {
    const scripted = start();
    scripted.play(
      call('write', 1, 0x401000, 0x2800),
      look(() => undefined),
    );
    const [{ text }] = scripted.output;
    expect(text.length).toBe(0x2800);
    expect(text.slice(0x800)).toBe('\0'.repeat(0x2000));
  });

  it('of a relocatable program lie below mmap_base, all moved alike', () => {
    const segments = TINY_SEGMENTS.map((s) => ({ ...s, address: s.address - 0x400000 }));
    const scripted = start({ program: tinyElf({ type: 3, entry: 0x200, segments }) });
    const { mm } = scripted.kernel.current;
    const base = scripted.state.rip - 0x200n;
    expect(base % 4096n).toBe(0n);
    expect(Number(base)).toBeLessThan(mm?.mmapBase ?? 0);
    expect(new Map(readStack(scripted).auxv).get(3)).toBe(base + 0x40n);
    expect(mm?.vmas.find(Number(base))?.start).toBe(Number(base));
  });
});

describe('programs that cannot be run', () => {
  it('are refused as values with a remedy', () => {
    const { startError } = new ScriptedKernel({ program: new Uint8Array([1, 2, 3]) });
    expect(startError).toMatchObject({ kind: 'elf-error' });
    expect(startError?.remedy).not.toBe('');
    const { startError: huge } = new ScriptedKernel({ env: ['X='.padEnd(3 * 2 ** 20, 'x')] });
    expect(huge).toMatchObject({ kind: 'exec-error' });
  });
});
