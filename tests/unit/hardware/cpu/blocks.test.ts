/** Where blocks end, and what the optimiser may drop. */
import { describe, expect, test } from 'vitest';
import { formBlock } from '../../../../machine/hardware/cpu/blocks.ts';
import { BLOCK_INSTRUCTIONS_MAX, Op } from '../../../../machine/hardware/cpu/ir.ts';
import type { IrBlock } from '../../../../machine/hardware/cpu/ir.ts';

const PAGE = 0x5000n;

/** The block at `address` in code that starts there; nothing can be fetched from `end` on. */
function blockOf(hex: string, address = PAGE, end = address + 8192n): IrBlock {
  const code = Buffer.alloc(8192, 0x90);
  code.set(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const block = formBlock(address, (va, length) => {
    const from = Number(va - address);
    return code.subarray(from, Math.min(from + length, Number(end - address)));
  });
  if ('missing' in block) throw new Error(`missing ${block.missing.toString(16)}`);
  return block;
}

function mnemonics(block: IrBlock): string[] {
  return block.instructions.map(({ mnemonic }) => mnemonic);
}

function countOf(block: IrBlock, op: Op): number {
  return block.ops.filter((candidate) => candidate.op === op).length;
}

describe('a block ends', () => {
  test('with its first control transfer', () => {
    expect(mnemonics(blockOf('4889d8 7402 4889d8'))).toEqual(['mov', 'je']);
  });

  test(`after ${String(BLOCK_INSTRUCTIONS_MAX)} instructions, with a jump to the next`, () => {
    const block = blockOf('');
    expect(block.instructions.length).toBe(BLOCK_INSTRUCTIONS_MAX);
    expect(block.ops).toHaveLength(1);
    expect(block.ops[0]?.op).toBe(Op.Jump);
    expect(block.ops[0]?.imm).toBe(PAGE + BigInt(BLOCK_INSTRUCTIONS_MAX));
  });

  test('before the next page', () => {
    const block = blockOf('', PAGE + 4090n);
    expect(block.length).toBe(6);
  });

  test('before an instruction that straddles two pages, which is a block of its own', () => {
    const code = '90 4881c001020304 c3';
    expect(blockOf(code, PAGE + 4092n).length).toBe(1);
    expect(mnemonics(blockOf('4881c001020304 c3', PAGE + 4093n))).toEqual(['add']);
  });

  test('before an instruction that reads the clock', () => {
    expect(mnemonics(blockOf('90 0f31 90 c3'))).toEqual(['nop']);
    expect(mnemonics(blockOf('0f31 90 c3'))).toEqual(['rdtsc', 'nop', 'ret']);
  });

  test('with an invalid instruction, as an exception there', () => {
    const block = blockOf('90 06 90');
    expect(mnemonics(block)).toEqual(['nop', '(bad)']);
    expect(block.ops.at(-1)).toMatchObject({ op: Op.Exception, imm: 6n, imm2: PAGE + 1n });
  });
});

test('code that ends inside the first instruction is missing', () => {
  const bytes = Uint8Array.of(0x48, 0x81);
  const address = PAGE + 4094n;
  const block = formBlock(address, (va, length) => bytes.subarray(Number(va - address), length));
  expect(block).toEqual({ missing: PAGE + 4096n });
});

test.each([
  { name: 'rdtsc', code: '90 0f31 c3' },
  { name: 'lock xadd', code: '90 f0480fc103 c3' },
  { name: 'xchg', code: '90 488703 c3' },
])('$name begins a block', ({ code }) => {
  expect(mnemonics(blockOf(code))).toEqual(['nop']);
});

test('prefixes that change the cost are part of the mnemonic', () => {
  const block = blockOf('f0480fc103 f3aa f2ae f3a6 a5 f20f10c1 c3');
  expect(mnemonics(block)).toEqual([
    'lock xadd',
    'rep stosb',
    'repne scasb',
    'repe cmpsb',
    'movsd',
    'movsd',
    'ret',
  ]);
});

describe('flags', () => {
  test('that the next instruction overwrites are not computed', () => {
    // add eax, ecx; sub eax, edx; ret
    expect(countOf(blockOf('01c8 29d0 c3'), Op.Flags)).toBe(1);
  });

  test('survive where a fault could show them', () => {
    // add eax, ecx; mov edx, [rbx]; sub eax, edx; ret
    expect(countOf(blockOf('01c8 8b13 29d0 c3'), Op.Flags)).toBe(2);
  });

  test('survive a shift whose count may be zero', () => {
    // add eax, edx; shl eax, cl; ret
    const block = blockOf('01d0 d3e0 c3');
    expect([countOf(block, Op.Flags), countOf(block, Op.FlagsIf)]).toEqual([1, 1]);
  });

  test('survive for an instruction that keeps one of them', () => {
    // add eax, edx; inc ecx; ret: inc keeps CF
    expect(countOf(blockOf('01d0 ffc1 c3'), Op.Flags)).toBe(2);
  });
});

test('what nobody uses goes: the carry and overflow of a shift whose flags are dead', () => {
  // shl eax, 3; add eax, ecx; ret
  const block = blockOf('c1e003 01c8 c3');
  expect(countOf(block, Op.Flags)).toBe(1);
  expect(countOf(block, Op.Xor)).toBe(0);
});
