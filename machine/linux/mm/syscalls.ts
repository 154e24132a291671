/** mmap, munmap, mprotect, brk, madvise as calls: argument checks, after Linux 6.1 mm/mmap.c. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { fdget } from '../fs/file.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Map } from '../include/uapi/asm-generic/mman.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import { type Kernel, warnOnce } from '../init/kernel.ts';
import { doMadvise } from './madvise.ts';
import { brk, vmMmapPgoff } from './mmap.ts';
import { doMprotect } from './mprotect.ts';
import { vmMunmap } from './munmap.ts';

const PAGE_BYTES = 4096;

export function sysMmap(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_mmap, 11);
  const offset = args.unsigned(5);
  if (offset % PAGE_BYTES !== 0 || current.mm === null) return -Errno.EINVAL;
  cpu.run(F.ksys_mmap_pgoff, 30);
  const flags = args.low(3);
  const type = flags & Map.TYPE;
  if (type !== Map.PRIVATE && type !== Map.SHARED && type !== Map.SHARED_VALIDATE) {
    return -Errno.EINVAL;
  }
  let file: MappedFile | null = null;
  if ((flags & Map.ANONYMOUS) === 0) {
    const open = fdget(kernel, args.int(4));
    if (open === null) return -Errno.EBADF;
    const { kind } = open.operations;
    if (kind !== 'regular' && kind !== 'zero') return -Errno.ENODEV;
    const access = open.flags & O.ACCMODE;
    if (access === O.WRONLY) return -Errno.EACCES;
    file = open.inode.mapping;
    if (file !== null) file.mapped = true;
    if (file !== null && type !== Map.PRIVATE && (args.low(2) & 2) !== 0) {
      warnOnce(
        kernel,
        'mmap shared',
        'mmap: writable shared file mappings are not modelled: -EACCES',
      );
      return -Errno.EACCES;
    }
  }
  return vmMmapPgoff(kernel, current.mm, {
    address: args.unsigned(0),
    length: args.unsigned(1),
    prot: args.low(2),
    flags,
    file,
    pgoff: offset / PAGE_BYTES,
  });
}

export function sysMunmap(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_munmap, 7);
  const { mm } = kernel.current;
  return mm === null ? -Errno.EINVAL : vmMunmap(kernel, mm, args.unsigned(0), args.unsigned(1));
}

export function sysMprotect(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_mprotect, 8);
  const { mm } = kernel.current;
  if (mm === null) return -Errno.EINVAL;
  return doMprotect(kernel, mm, args.unsigned(0), args.unsigned(1), args.low(2));
}

export function sysBrk(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_brk, 3);
  const { mm } = kernel.current;
  return mm === null ? 0 : brk(kernel, mm, args.unsigned(0));
}

export function sysMadvise(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_madvise, 10);
  const { mm } = kernel.current;
  if (mm === null) return -Errno.EINVAL;
  return doMadvise(kernel, mm, args.unsigned(0), args.unsigned(1), args.int(2));
}
