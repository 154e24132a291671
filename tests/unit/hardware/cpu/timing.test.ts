/** Block timing against cycles measured on the reference host (datasets/host-zen4, insn_* rows). */
import { describe, expect, test } from 'vitest';
import { ZEN4_VM_INSTRUCTIONS } from '../../../../machine/board/zen4-vm-instructions.ts';
import { cyclesFromTicks, TICKS_PER_CYCLE } from '../../../../machine/core/units.ts';
import { formBlock } from '../../../../machine/hardware/cpu/blocks.ts';
import { BlockTimer } from '../../../../machine/hardware/cpu/timing.ts';
import type { BlockTiming, CoreTiming } from '../../../../machine/hardware/cpu/timing.ts';

const ZEN4: CoreTiming = {
  issueWidth: 6,
  instructions: ZEN4_VM_INSTRUCTIONS,
  default: { throughput: 0.25, latency: 1 },
};
const SIMPLE: CoreTiming = {
  issueWidth: 1,
  instructions: {},
  default: { throughput: 1, latency: 1 },
};

function timeOf(hex: string, core: CoreTiming): BlockTiming {
  const code = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const block = formBlock(0x1000n, () => code);
  if ('missing' in block) throw new Error('code is incomplete');
  return new BlockTimer(core).time(block);
}

function cyclesOf(hex: string): number {
  return cyclesFromTicks(timeOf(hex, ZEN4).ticks);
}

/** dec ecx; jnz back to the start of a body of `bytes` bytes. */
function loop(body: string): string {
  const bytes = body.replaceAll(' ', '').length / 2;
  return `${body} ffc9 75${(256 - bytes - 4).toString(16).padStart(2, '0')}`;
}

describe('zen4-vm', () => {
  test('a loop of ten dependent additions takes ten cycles', () => {
    expect(cyclesOf(loop('4801c0'.repeat(10)))).toBe(10);
  });

  test('a dependent multiplication takes three cycles', () => {
    expect(cyclesOf(loop('480fafc0'))).toBe(3);
  });

  test('a division of 64 bits in a dependent loop: 15.9 measured', () => {
    // xor edx, edx; div rbx; or rax, rsi
    expect(Math.abs(cyclesOf(loop('31d2 48f7f3 4809f0')) - 15.9)).toBeLessThan(1.6);
  });

  test('store to load forwarding through one variable: 3.74 measured', () => {
    // mov rax, [rbp-8]; add rax, 1; mov [rbp-8], rax
    expect(Math.abs(cyclesOf(loop('488b45f8 4883c001 488945f8')) - 3.74)).toBeLessThan(0.5);
  });

  test.each([
    ['rdtsc', '0f31', 35.3],
    ['rdtscp', '0f01f9', 68.6],
    ['lfence', '0faee8', 20.6],
    ['pause', 'f390', 91.8],
    ['lock xadd [rbx], rax', 'f0480fc103', 8.1],
    ['lsl eax, ecx', '0f03c1', 59.4],
  ])('%s', (_, hex, measured) => {
    expect(Math.abs(cyclesOf(loop(hex)) - measured) / measured).toBeLessThan(0.1);
  });

  test('independent work is bound by the issue width', () => {
    // 17 moves between registers that nothing waits for, and a return
    expect(cyclesOf(`${'4889d8'.repeat(17)} c3`)).toBe(3);
  });

  test('prefixes grow up to the whole', () => {
    const { ticks, prefix } = timeOf('4889d8 480fafc3 480fafc3 c3', ZEN4);
    expect([...prefix]).toEqual([...prefix].sort((a, b) => a - b));
    expect(prefix[0]).toBe(0);
    expect(prefix[4]).toBe(ticks);
  });
});

test('the teaching core takes one cycle for each instruction, in loops too', () => {
  expect(timeOf(loop('4801c0 480fafc0 488b45f8'), SIMPLE).ticks).toBe(5 * TICKS_PER_CYCLE);
  expect(timeOf('f3aa 0f31', SIMPLE).ticks).toBe(TICKS_PER_CYCLE);
});
