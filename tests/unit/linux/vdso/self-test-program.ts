/**
 * A static program that carries a vDSO image and its data page, maps them executable and calls every
 * function, printing one line of numbers for each call. It runs on any x86-64 Linux, whose own vDSO it
 * does not use, so the image's code can be checked on a real processor.
 */
import type { VdsoImage } from '../../../../machine/linux/arch/x86/entry/vdso/vdso2c.ts';
import { VDSO_DATA_OFFSET, VdsoData } from '../../../../machine/linux/include/vdso/datapage.ts';
import { address, qword, registers } from '../../../../workloads/lib/assembly.ts';
import type { Label } from '../../../../workloads/lib/assembly.ts';
import type { Guest } from '../../../../workloads/lib/guest.ts';
import { buildExecutable } from '../../../../workloads/lib/program.ts';

const { rax, rbx, rcx, rdx, rdi, rsi, r12, r13, r14, edx } = registers;

const PAGE_BYTES = 4096;
const PROT_READ_EXEC = 5;
/** The counter's base is this far back, so that nanoseconds must carry into seconds. */
export const CYCLES_AGO = 5_000_000_000n;

/** One call: function, first argument, and whether it gets the two result buffers. */
export interface SelfTestCall {
  readonly name: string;
  /** Clock id as the first argument; absent for functions whose arguments are two buffers. */
  readonly clock?: number;
  readonly buffers?: 'both' | 'none';
}

/** What one call did. Buffers hold FILLER where nothing was written. */
export interface SelfTestRow {
  readonly before: bigint;
  readonly result: bigint;
  readonly words: readonly bigint[];
  readonly after: bigint;
}

export const FILLER = 0x5555_5555_5555_5555n;
const WORDS_PER_CALL = 4;

/** Builds the program. Its first line of output is the counter's base, then a line for each call. */
export function buildSelfTest(
  { image, symbols }: VdsoImage,
  vvar: Uint8Array,
  calls: readonly SelfTestCall[],
): Uint8Array {
  const emit = (guest: Guest): void => {
    const { asm } = guest;
    const buffers = guest.variable('buffers', WORDS_PER_CALL * 8);
    asm.section('.data');
    const pages = asm.object('vvar_pages', PAGE_BYTES, () => {
      asm.bytes(vvar);
      asm.zero(3 * PAGE_BYTES);
      asm.bytes(image);
    });
    asm.section('.text');
    emitSetUp(guest, pages, image.length);
    for (const call of calls) {
      const symbol = symbols.find(({ name }) => name === call.name);
      if (symbol === undefined) throw new Error(`no symbol ${call.name}`);
      emitFill(guest, buffers);
      emitCounter(guest);
      asm.mov(r13, rax);
      emitArguments(guest, call, buffers);
      asm.lea(rax, address(pages, 4 * PAGE_BYTES + symbol.offset));
      asm.call(rax);
      asm.mov(r12, rax);
      emitCounter(guest);
      asm.mov(r14, rax);
      emitPrintRow(guest, buffers);
    }
    asm.xor(registers.eax, registers.eax);
  };
  return buildExecutable(0, emit).bytes;
}

/** Sets the counter's base in both data, then makes the image executable. */
function emitSetUp(guest: Guest, pages: Label, imageBytes: number): void {
  const { asm } = guest;
  emitCounter(guest);
  asm.mov(rcx, CYCLES_AGO);
  asm.sub(rax, rcx);
  asm.mov(rbx, rax);
  for (const data of [VDSO_DATA_OFFSET, VDSO_DATA_OFFSET + VdsoData.BYTES]) {
    asm.mov(qword(pages, data + VdsoData.CYCLE_LAST), rax);
  }
  asm.lea(rdi, address(pages, 4 * PAGE_BYTES));
  guest.syscall('mprotect', rdi, imageBytes, PROT_READ_EXEC);
  guest.printDecimal(rbx);
  guest.print('\n');
}

/** rax = the time stamp counter, read in order. */
function emitCounter({ asm }: Guest): void {
  asm.lfence();
  asm.rdtsc();
  asm.lfence();
  asm.shl(rdx, 32);
  asm.or(rax, rdx);
}

function emitFill({ asm }: Guest, buffers: Label): void {
  asm.mov(rax, FILLER);
  for (let i = 0; i < WORDS_PER_CALL; i++) asm.mov(qword(buffers, i * 8), rax);
}

function emitArguments(
  guest: Guest,
  { clock, buffers: given }: SelfTestCall,
  buffers: Label,
): void {
  const { asm } = guest;
  const first = (): void => asm.lea(clock === undefined ? rdi : rsi, address(buffers));
  if (clock !== undefined) guest.load(rdi, clock);
  if (given === 'none') {
    asm.xor(registers.esi, registers.esi);
    if (clock === undefined) asm.xor(registers.edi, registers.edi);
  } else {
    first();
    if (clock === undefined) asm.lea(rsi, address(buffers, 16));
  }
  asm.xor(edx, edx);
}

function emitPrintRow(guest: Guest, buffers: Label): void {
  for (const register of [r13, r12]) {
    guest.printDecimal(register);
    guest.print(' ');
  }
  for (let i = 0; i < WORDS_PER_CALL; i++) {
    guest.asm.mov(rdi, qword(buffers, i * 8));
    guest.printDecimal(rdi);
    guest.print(' ');
  }
  guest.printDecimal(r14);
  guest.print('\n');
}

/** Reads the output back. */
export function parseSelfTest(output: string): { base: bigint; rows: SelfTestRow[] } {
  const [first, ...lines] = output.trimEnd().split('\n');
  const rows = lines.map((line) => {
    const numbers = line.split(' ').map(BigInt);
    return {
      before: numbers[0],
      result: BigInt.asIntN(64, numbers[1]),
      words: numbers.slice(2, 2 + WORDS_PER_CALL),
      after: numbers[2 + WORDS_PER_CALL],
    };
  });
  return { base: BigInt(first), rows };
}
