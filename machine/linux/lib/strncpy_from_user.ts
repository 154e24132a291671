/** Strings from user memory, after Linux 6.1 lib/strncpy_from_user.c and fs/namei.c (getname). */
import { readUserBytes } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

const PATH_MAX = 4096;
const PAGE_BYTES = 4096;
const LINE_BYTES = 64;

const CHECK_OBJECT: Steps = [
  [F.__check_object_size, 73],
  [F.check_stack_object, 9],
  [F.is_vmalloc_addr, 6],
  [F.__virt_addr_valid, 48],
  [F.__check_heap_object, 30],
];

/** A path, or why there is none. */
export type UserPath = string | number;

/** Paths are bytes; those that are no UTF-8 keep their bytes as characters up to U+00FF. */
const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return String.fromCharCode(...bytes);
  }
}

/** The path at `address`, or -EFAULT, -ENAMETOOLONG, -ENOENT (empty). The buffer is given back at once. */
export function getname(kernel: Kernel, address: number, mayBeEmpty = false): UserPath {
  const { path, buffer } = takeName(kernel, address);
  if (buffer >= 0) putname(kernel, buffer);
  return path === '' && !mayBeEmpty ? -Errno.ENOENT : path;
}

/** getname_flags: the path in a buffer that putname() gives back; buffer -1 without memory. */
export function takeName(
  kernel: Kernel,
  address: number,
): { readonly path: UserPath; readonly buffer: number } {
  const { cpu, caches } = kernel;
  cpu.run(F.getname_flags, 43);
  const buffer = caches.names.allocate(kernel);
  if (buffer < 0) return { path: -Errno.ENOMEM, buffer };
  const path = readUserString(kernel, address, PATH_MAX);
  const words = typeof path === 'number' ? 1 : Math.ceil((path.length + 1) / 8);
  cpu.run(F.strncpy_from_user, 43 + 6 * words);
  runSteps(cpu, CHECK_OBJECT);
  return { path, buffer };
}

export function putname(kernel: Kernel, buffer: number): void {
  kernel.cpu.run(F.putname, 18);
  kernel.caches.names.free(kernel, buffer);
}

/** A string of up to `limit` bytes, its end included; -EFAULT, -ENAMETOOLONG. Untimed but for the lines. */
export function readUserString(kernel: Kernel, address: number, limit: number): UserPath {
  const bytes = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const at = address + length;
    const chunk = Math.min(limit - length, LINE_BYTES - (at % LINE_BYTES), PAGE_BYTES);
    const part = bytes.subarray(length, length + chunk);
    if (readUserBytes(kernel, at, part) < 0) return -Errno.EFAULT;
    const end = part.indexOf(0);
    if (end >= 0) return decode(bytes.subarray(0, length + end));
    length += chunk;
  }
  return -Errno.ENAMETOOLONG;
}
