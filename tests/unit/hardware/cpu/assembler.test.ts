import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import type { Instruction } from 'iced-x86';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MachineBug } from '../../../../machine/core/assert.ts';
import {
  Assembler,
  address,
  byte,
  dword,
  qword,
  registers,
  word,
  xmmword,
} from '../../../../machine/hardware/cpu/assembler.ts';

const { rax, rbx, rcx, rdx, rsp, rbp, rsi, rdi, r8, r13, eax, ecx, al, cl, r11b, xmm0, xmm1 } =
  registers;
const TEXT = 0x1000n;

/** The bytes of a program, all in .text at 0x1000, as hexadecimal. */
function assemble(emit: (asm: Assembler) => void): string {
  const asm = new Assembler();
  emit(asm);
  const program = asm.link(new Map([['.text', TEXT]]), { absolutePointers: true });
  return Buffer.from(program.sections[0].bytes).toString('hex');
}

/** What an independent decoder makes of the bytes. */
function disassemble(emit: (asm: Assembler) => void): string[] {
  const decoder = new Decoder(64, Buffer.from(assemble(emit), 'hex'), DecoderOptions.None);
  decoder.ip = TEXT;
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const instructions = decoder.decodeAll() as Instruction[];
  return instructions.map((instruction) => formatter.format(instruction));
}

describe('encodings', () => {
  // Expected bytes as GNU as produces them.
  const cases: readonly (readonly [string, string, (asm: Assembler) => void])[] = [
    ['mov rax, rbx', '4889d8', (a) => a.mov(rax, rbx)],
    ['mov of a small number', 'b801000000', (a) => a.mov(eax, 1)],
    ['mov of a sign-extended number', '48c7c0ffffffff', (a) => a.mov(rax, -1)],
    ['mov of 64 bits', '48b8efcdab8967452301', (a) => a.mov(rax, 0x123456789abcdefn)],
    ['mov of 2^32-1', '48b8ffffffff00000000', (a) => a.mov(rax, 0xffffffffn)],
    ['store', 'c7470805000000', (a) => a.mov(dword(rdi, 8), 5)],
    ['store of a byte', '8887e8030000', (a) => a.mov(byte(rdi, 1000), al)],
    ['store of a word', '66c7070300', (a) => a.mov(word(rdi), 3)],
    ['rbp as base', '488b4500', (a) => a.mov(rax, qword(rbp))],
    ['r13 as base', '498b4500', (a) => a.mov(rax, qword(r13))],
    ['rsp as base', '488b0424', (a) => a.mov(rax, qword(rsp))],
    [
      'index',
      '488d448b0c',
      (a) => a.lea(rax, address({ base: rbx, index: rcx, scale: 4, offset: 12 })),
    ],
    ['fs segment', '64488b042528000000', (a) => a.mov(rax, qword({ segment: 'fs', offset: 0x28 }))],
    ['add of a byte', '4883c001', (a) => a.add(rax, 1)],
    ['add to the accumulator', '480580000000', (a) => a.add(rax, 128)],
    ['32-bit immediate as a signed byte', '83e0fe', (a) => a.and(eax, 0xfffffffe)],
    ['shift by one', '48d1e0', (a) => a.shl(rax, 1)],
    ['shift by cl', '48d3e8', (a) => a.shr(rax, cl)],
    ['double shift', '480facd020', (a) => a.shrd(rax, rdx, 32)],
    ['multiply', '4869c2d34d6210', (a) => a.imul(rax, rdx, 0x10624dd3)],
    ['divide', '49f7f0', (a) => a.div(r8)],
    ['test of a new byte register', '41f6c301', (a) => a.test(r11b, 1)],
    ['xchg in either order', '488707', (a) => a.xchg(rax, qword(rdi))],
    ['lock xadd', 'f0480fc107', (a) => a.lock().xadd(qword(rdi), rax)],
    ['lock cmpxchg', 'f00fb14f04', (a) => a.lock().cmpxchg(dword(rdi, 4), ecx)],
    ['rep movsb', 'f3a4', (a) => a.rep().movsb()],
    ['rep stosq', 'f348ab', (a) => a.rep().stosq()],
    ['repne scasb', 'f2ae', (a) => a.repne().scasb()],
    ['movsd of strings', 'a5', (a) => a.movsd()],
    ['movsd of doubles', 'f20f1007', (a) => a.movsd(xmm0, qword(rdi))],
    ['cvtsi2sd', 'f2480f2ac0', (a) => a.cvtsi2sd(xmm0, rax)],
    ['movdqa', '660f6f07', (a) => a.movdqa(xmm0, xmmword(rdi))],
    ['pshufd', '660f70c188', (a) => a.pshufd(xmm0, xmm1, 0x88)],
    ['movq', '66480f7ec0', (a) => a.movq(rax, xmm0)],
    ['lsl', '0f03c1', (a) => a.lsl(eax, ecx)],
    ['btr', '480fbaf03f', (a) => a.btr(rax, 63)],
    ['push of a number', '6a05', (a) => a.push(5)],
    ['prefetch', '0f1808', (a) => a.prefetcht0(address(rax))],
    [
      'marker',
      '0f1f84000100434c',
      (a) => a.nop(dword({ base: rax, index: rax, offset: 0x4c430001 })),
    ],
    [
      'instructions without operands',
      '0f050f310f01f90faee80faef0f390c3c90f0b4899',
      (a) => {
        for (const name of ['syscall', 'rdtsc', 'rdtscp', 'lfence', 'mfence', 'pause'] as const)
          a[name]();
        for (const name of ['ret', 'leave', 'ud2', 'cqo'] as const) a[name]();
      },
    ],
  ];
  test.each(cases)('%s', (_name, expected, emit) => {
    expect(assemble(emit)).toBe(expected);
  });

  test('an independent decoder reads back random arithmetic', () => {
    const wide = fc.constantFrom(rax, rbx, rcx, rdx, rsp, rbp, rsi, rdi, r8, r13);
    const operation = fc.constantFrom('add', 'sub', 'and', 'or', 'xor', 'cmp', 'adc', 'sbb');
    const number = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(operation, wide, wide, number, (name, a, b, offset) => {
        const place = `[${b.name}${offset === 0 ? '' : offset < 0 ? '-' : '+'}`;
        const [line] = disassemble((asm) => asm[name](a, qword(b, offset)));
        expect(line.startsWith(`${name} ${a.name},${place}`)).toBe(true);
        const [immediate] = disassemble((asm) => asm[name](a, offset));
        expect(immediate.startsWith(`${name} ${a.name},`)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('operands that no form takes', () => {
  const cases: readonly (readonly [string, (asm: Assembler) => void])[] = [
    ['registers of different sizes', (a) => a.mov(rax, ecx)],
    ['an immediate that is too wide', (a) => a.add(rax, 1n << 40n)],
    ['two memory operands', (a) => a.mov(qword(rax), qword(rbx))],
    ['a wrong memory size', (a) => a.mov(rax, dword(rbx))],
    ['a missing operand', (a) => a.mov(rax)],
    ['an immediate beyond a byte', (a) => a.shl(rax, 256)],
  ];
  test.each(cases)('%s', (_name, emit) => {
    expect(() => assemble(emit)).toThrow(MachineBug);
  });
});

describe('labels and sections', () => {
  /** Bytes of a jump over `distance` bytes, forwards. */
  const jumpOver = (distance: number): string =>
    assemble((asm) => {
      const target = asm.newLabel();
      asm.jmp(target);
      asm.zero(distance);
      asm.bind(target);
    }).slice(0, 10);

  test('a forward branch is short up to 127 bytes', () => {
    expect(jumpOver(127).slice(0, 4)).toBe('eb7f');
    expect(jumpOver(128)).toBe('e980000000');
  });

  test('a backward branch is short down to -128 bytes', () => {
    const back = (filling: number): string =>
      assemble((asm) => {
        const target = asm.here();
        asm.zero(filling);
        asm.jne(target);
      }).slice(filling * 2);
    expect(back(126)).toBe('7580');
    expect(back(127)).toBe('0f857bffffff');
  });

  test('one branch that grows makes others grow, and all still reach their targets', () => {
    const lines = disassemble((asm) => {
      const [first, second] = [asm.newLabel(), asm.newLabel()];
      asm.je(first);
      for (let i = 0; i < 62; i++) asm.jmp(second);
      asm.bind(first);
      for (let i = 0; i < 130; i++) asm.nop();
      asm.bind(second);
      asm.ret();
    });
    // je is near (6 bytes), then 62 near jumps, then 130 nops.
    const second = 0x1000 + 6 + 62 * 5 + 130;
    const first = 0x1000 + 6 + 62 * 5;
    expect(lines[0]).toBe(`je near ${hex(first)}`);
    for (const line of lines.slice(1, 63)) expect(line).toBe(`jmp ${hex(second)}`);
  });

  test('data, code and addresses outside the program are found relative to rip', () => {
    const asm = new Assembler();
    const value = asm.newLabel('value');
    const below = asm.define('below', -0x4000n);
    asm.lea(rax, address(value, 8));
    asm.cmp(dword(below, 4), 1);
    asm.section('.data');
    asm.align(8);
    asm.object(value, 8, () => asm.quads(1, -1n, value));
    const program = asm.link(
      new Map([
        ['.text', 0n],
        ['.data', 0x8000n],
      ]),
      { absolutePointers: true },
    );
    const [text, data] = program.sections.map(({ bytes }) => Buffer.from(bytes));
    expect(7 + text.readInt32LE(3)).toBe(0x8008);
    expect(7 + 7 + text.readInt32LE(9)).toBe(-0x4000 + 4);
    expect(data.readBigUInt64LE(16)).toBe(0x8000n);
    expect(program.symbols).toEqual([
      { name: 'value', kind: 'object', section: '.data', address: 0x8000n, size: 24 },
    ]);
  });

  test('gaps in code are instructions', () => {
    const lines = disassemble((asm) => {
      asm.ret();
      asm.align(32);
      asm.ret();
    });
    expect(lines).toHaveLength(2 + 4);
    expect(
      lines.slice(1, -1).every((line) => line.includes('nop') || line.startsWith('xchg')),
    ).toBe(true);
  });

  test('source notes go with their instructions', () => {
    let line = 10;
    const asm = new Assembler({ sourceOf: () => `program.ts:${line++}` });
    asm.mov(rax, rbx);
    asm.ret();
    const { sources } = asm.link(new Map([['.text', TEXT]]), { absolutePointers: false });
    expect(sources).toEqual([
      { address: 0x1000n, source: 'program.ts:10' },
      { address: 0x1003n, source: 'program.ts:11' },
    ]);
  });

  test('mistakes are named', () => {
    expect(() => assemble((asm) => asm.jmp(asm.newLabel('nowhere')))).toThrow(/nowhere.*not bound/);
    const twice = (asm: Assembler): void => {
      const label = asm.here('twice');
      asm.bind(label);
    };
    expect(() => assemble(twice)).toThrow(/twice is bound twice/);
    const pointer = new Assembler();
    pointer.quads(pointer.here('self'));
    expect(() => pointer.link(new Map([['.text', 0n]]), { absolutePointers: false })).toThrow(
      /needs a relocation/,
    );
  });
});

const hex = (value: number): string => `${value.toString(16).toUpperCase().padStart(16, '0')}h`;
