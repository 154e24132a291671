/** Arguments and environment of execve from user memory, after Linux 6.1 fs/exec.c (count, copy_strings). */
import { readUserBytes } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

/** MAX_ARG_STRLEN, the end included. */
const STRING_BYTES_MAX = 32 * 4096;
/** A quarter of RLIMIT_STACK, for strings and pointers together. */
const TOTAL_BYTES_MAX = 2 * 2 ** 20;
const POINTER_BYTES = 8;
const LINE_BYTES = 64;

/** A vector of strings without their ends, or -EFAULT, -E2BIG. A null vector is an empty one. */
export function userStrings(
  kernel: Kernel,
  vector: number,
  taken = 0,
): readonly Uint8Array[] | number {
  const strings: Uint8Array[] = [];
  if (vector === 0) return strings;
  const pointer = new Uint8Array(POINTER_BYTES);
  let total = taken;
  for (let at = vector; ; at += POINTER_BYTES) {
    kernel.cpu.run(F.count, 14);
    if (readUserBytes(kernel, at, pointer) < 0) return -Errno.EFAULT;
    const address = Number(new BigUint64Array(pointer.buffer)[0]);
    if (address === 0) return strings;
    const text = readString(kernel, address);
    if (typeof text === 'number') return text;
    total += text.length + 1 + POINTER_BYTES;
    if (total > TOTAL_BYTES_MAX) return -Errno.E2BIG;
    strings.push(text);
  }
}

/** strnlen_user and the copy; the instructions are charged where the string is stored. */
function readString(kernel: Kernel, address: number): Uint8Array | number {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < STRING_BYTES_MAX) {
    const at = address + length;
    const chunk = new Uint8Array(LINE_BYTES - (at % LINE_BYTES));
    if (readUserBytes(kernel, at, chunk) < 0) return -Errno.EFAULT;
    const end = chunk.indexOf(0);
    if (end >= 0) {
      chunks.push(chunk.subarray(0, end));
      return concatenate(chunks);
    }
    chunks.push(chunk);
    length += chunk.length;
  }
  return -Errno.E2BIG;
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
