/** mmap, munmap, mprotect, brk, madvise as calls: argument checks, after Linux 6.1 mm/mmap.c. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { fdget } from '../fs/file.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Map } from '../include/uapi/asm-generic/mman.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { doMadvise } from './madvise.ts';
import { brk } from './brk.ts';
import { vmMmapPgoff } from './mmap.ts';
import { doMprotect } from './mprotect.ts';
import { vmMunmap } from './munmap.ts';

const PAGE_BYTES = 4096;

const TYPES: readonly number[] = [Map.SHARED, Map.PRIVATE, Map.SHARED_VALIDATE];
/** LEGACY_MAP_MASK: all that MAP_SHARED_VALIDATE knows. */
const VALIDATED =
  Map.TYPE |
  Map.FIXED |
  Map.ANONYMOUS |
  Map.DENYWRITE |
  Map.EXECUTABLE |
  Map.GROWSDOWN |
  Map.LOCKED |
  Map.NORESERVE |
  Map.POPULATE |
  Map.NONBLOCK |
  Map.STACK |
  Map.HUGETLB |
  0x40; // MAP_32BIT
const HUGE_SIZES = 0x3f;
const HUGE_LOG = 21;

export function sysMmap(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  cpu.run(F.__x64_sys_mmap, 11);
  const offset = args.unsigned(5);
  if (offset % PAGE_BYTES !== 0 || current.mm === null) return -Errno.EINVAL;
  cpu.run(F.ksys_mmap_pgoff, 30);
  const flags = args.low(3);
  if (!TYPES.includes(flags & Map.TYPE)) return -Errno.EINVAL;
  let file: MappedFile | null = null;
  let readOnlyFile = false;
  // Drivers choose what to map by the offset; their areas begin at 0.
  let mapsContents = true;
  if ((flags & Map.ANONYMOUS) === 0) {
    const open = fdget(kernel, args.int(4));
    if (open === null) return -Errno.EBADF;
    const access = open.flags & O.ACCMODE;
    if (access === O.WRONLY) return -Errno.EACCES;
    const { kind } = open.operations;
    const found = open.operations.mmap?.(open, offset, args.unsigned(1));
    if (typeof found === 'number') return found;
    mapsContents = found === undefined;
    if (found === undefined && kind !== 'regular' && kind !== 'zero') return -Errno.ENODEV;
    file = found ?? open.inode.mapping;
    readOnlyFile = access !== O.RDWR;
    if ((flags & Map.HUGETLB) !== 0) return -Errno.EINVAL;
  } else if ((flags & Map.HUGETLB) !== 0) {
    const log = (flags >>> Map.HUGE_SHIFT) & HUGE_SIZES;
    if (log !== 0 && log !== HUGE_LOG) return -Errno.EINVAL;
  }
  if ((flags & Map.TYPE) === Map.SHARED_VALIDATE && file !== null) {
    if ((flags & ~VALIDATED) !== 0) return -Errno.EOPNOTSUPP;
  }
  return vmMmapPgoff(kernel, current.mm, {
    address: args.unsigned(0),
    length: args.unsigned(1),
    prot: args.low(2),
    flags,
    file,
    readOnlyFile,
    pgoff: (mapsContents ? offset : 0) / PAGE_BYTES,
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
