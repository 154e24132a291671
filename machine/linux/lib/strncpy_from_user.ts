/** Strings from user memory, after Linux 6.1 lib/strncpy_from_user.c and fs/namei.c (getname). */
import { readUserBytes } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

const PATH_MAX = 4096;

/** The path at `address`, or -EFAULT, -ENAMETOOLONG, -ENOENT (empty). */
export function getname(kernel: Kernel, address: number, mayBeEmpty = false): string | number {
  const { cpu, caches } = kernel;
  cpu.run(F.getname_flags, 43);
  const buffer = caches.names.allocate(kernel);
  if (buffer < 0) return -Errno.ENOMEM;
  cpu.run(F.strncpy_from_user, 55);
  cpu.run(F.__check_object_size, 73);
  cpu.run(F.check_stack_object, 9);
  cpu.run(F.__virt_addr_valid, 48);
  cpu.run(F.__check_heap_object, 30);
  const path = readString(kernel, address);
  cpu.run(F.putname, 18);
  caches.names.free(kernel, buffer);
  if (path === '' && !mayBeEmpty) return -Errno.ENOENT;
  return path;
}

function readString(kernel: Kernel, address: number): string | number {
  const bytes: number[] = [];
  const chunk = new Uint8Array(1);
  while (bytes.length < PATH_MAX) {
    if (readUserBytes(kernel, address + bytes.length, chunk) < 0) return -Errno.EFAULT;
    if (chunk[0] === 0) return new TextDecoder().decode(Uint8Array.from(bytes));
    bytes.push(chunk[0]);
  }
  return -Errno.ENAMETOOLONG;
}
