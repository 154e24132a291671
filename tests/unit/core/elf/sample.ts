/** A small valid executable for tests of the ELF reader and writer. */
import { planExecutable, writeExecutable } from '../../../../machine/core/elf/writer.ts';

/** `mov eax, 60; xor edi, edi; syscall` */
export const EXIT_CODE = Uint8Array.of(0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05);

export function sampleExecutable(placement: 'fixed' | 'relocatable' = 'fixed'): Uint8Array {
  const plan = planExecutable(
    [
      { name: '.text', size: EXIT_CODE.length, align: 16 },
      { name: '.rodata', size: 5, align: 1 },
      { name: '.data', size: 16, align: 8 },
      { name: '.bss', size: 10_000, align: 32 },
    ],
    placement,
  );
  const address = (section: string): bigint => plan.addresses.get(section) ?? 0n;
  return writeExecutable(plan, {
    entry: address('.text'),
    contents: new Map([
      ['.text', EXIT_CODE],
      ['.rodata', new TextEncoder().encode('hello')],
      ['.data', Uint8Array.from({ length: 16 }, (_, i) => i)],
    ]),
    symbols: [
      { name: '_start', kind: 'function', section: '.text', address: address('.text'), size: 9 },
      { name: 'buffer', kind: 'object', section: '.bss', address: address('.bss'), size: 10_000 },
    ],
  });
}
