/**
 * Follows a chain of pointers with one link on each of N pages, for growing N: where does a program
 * outgrow the translation caches? Each link lies on another line of its page, so that the links of
 * many pages do not fight for the same cache sets. A chain that does not come back to its start ends the
 * program with status 1.
 */
import { qword, registers } from '../lib/assembly.ts';
import type { Guest } from '../lib/guest.ts';
import { integer } from '../lib/parameters.ts';
import { defineWorkload } from '../lib/program.ts';

const { rax, eax, rcx, ecx, rdx, rsi, rdi, rbx, r12, r14 } = registers;

const PAGE_BYTES = 4096;
const LINE_BYTES = 64;
const LINES_PER_PAGE = PAGE_BYTES / LINE_BYTES;
const PROT_READ_WRITE = 3;
const PRIVATE_ANONYMOUS = 0x22;
const MADV_NOHUGEPAGE = 15;
/** Loads in a turn of the measured loop. */
const UNROLL = 8;

/** Page counts on both sides of the reaches that processors have: 64 to 96, 1,536 to 4,096 entries. */
const COUNTS: readonly number[] = [
  1, 8, 16, 32, 48, 64, 72, 80, 96, 128, 256, 512, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 6144,
  8192, 16_384, 32_768,
];

const countsUpTo = (pages: number): readonly number[] => COUNTS.filter((count) => count <= pages);

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A step through `count` pages that visits each: near the golden section, so that no stream shows. */
function stepFor(count: number): number {
  let step = Math.max(1, Math.round(count * 0.618));
  while (greatestCommonDivisor(step, count) !== 1) step++;
  return step;
}

/**
 * Links the first `count` pages of the area at r12 into a ring: rax = page, rdi = address of its link.
 * Page p's link is at line p mod 64.
 */
function emitChain(guest: Guest, count: number): void {
  const { asm } = guest;
  const linkAddress = (): void => {
    // rdx = area + page * 4096 + (page mod 64) * 64
    asm.mov(rdx, rax);
    asm.shl(rdx, 12);
    asm.mov(rcx, rax);
    asm.and(ecx, LINES_PER_PAGE - 1);
    asm.shl(ecx, 6);
    asm.add(rdx, rcx);
    asm.add(rdx, r12);
  };
  asm.xor(eax, eax);
  guest.repeat(rbx, count, () => {
    const inside = asm.newLabel();
    linkAddress();
    asm.mov(rdi, rdx);
    asm.add(rax, stepFor(count) % count);
    asm.cmp(rax, count);
    asm.jb(inside);
    asm.sub(rax, count);
    asm.bind(inside);
    linkAddress();
    asm.mov(qword(rdi), rdx);
  });
}

/** Follows `loads` links from rsi, rounded up to whole turns. */
function emitFollow(guest: Guest, loads: number): void {
  guest.repeat(rbx, Math.ceil(loads / UNROLL), () => {
    for (let i = 0; i < UNROLL; i++) guest.asm.mov(rsi, qword(rsi));
  });
}

export const tlbThrash = defineWorkload({
  name: 'tlb-thrash',
  summary: 'one dependent load on each of N pages, for growing N',
  parameters: {
    pages: integer({
      default: 8192,
      min: 1,
      max: 32_768,
      description: 'most pages of 4 KiB that a phase touches',
    }),
    operations: integer({
      default: 16_384,
      min: 1,
      max: 1_000_000_000,
      description: 'loads in each phase',
    }),
    warmup: integer({
      default: 1,
      min: 0,
      max: 1000,
      description: 'rounds over all pages before each phase that are not measured',
    }),
  },
  phases: ({ pages, operations }) =>
    countsUpTo(pages).map((count) => ({
      name: `pages=${count}`,
      operations: Math.ceil(operations / UNROLL) * UNROLL,
    })),
  emit(guest, values) {
    const { asm } = guest;
    const counts = countsUpTo(values.pages);
    const bytes = (counts.at(-1) ?? 1) * PAGE_BYTES;
    const failed = asm.newLabel('failed');
    const done = asm.newLabel('done');
    guest.syscall('mmap', 0, bytes, PROT_READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
    asm.cmp(rax, -PAGE_BYTES);
    asm.ja(failed);
    asm.mov(r12, rax);
    // Huge pages would hide what is to be seen; a kernel without them answers EINVAL.
    guest.syscall('madvise', r12, bytes, MADV_NOHUGEPAGE);
    for (const [index, count] of counts.entries()) {
      emitChain(guest, count);
      asm.mov(rsi, r12);
      emitFollow(guest, values.warmup * count);
      guest.phase(index, () => {
        emitFollow(guest, values.operations);
      });
      // A whole round from any link ends at that link.
      asm.mov(r14, rsi);
      guest.repeat(rbx, count, () => {
        asm.mov(rsi, qword(rsi));
      });
      asm.cmp(rsi, r14);
      asm.jne(failed);
      guest.print(`pages=${count}: the ring is closed\n`);
    }
    asm.xor(eax, eax);
    asm.jmp(done);
    asm.bind(failed);
    guest.print('the chain is broken\n');
    asm.mov(eax, 1);
    asm.bind(done);
  },
});
