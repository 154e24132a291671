/** utimensat, futimesat, utimes and utime, after Linux 6.1 fs/utimes.c. */
import { In, notifyFile } from './notify/fsnotify.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import type { Dentry } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname } from '../lib/strncpy_from_user.ts';
import { fdget } from './file.ts';
import { currentTime } from './inode.ts';
import { filenameLookup, putPath } from './namei.ts';

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const NSEC_PER_SEC = 1_000_000_000;

/** Nanoseconds since 1970; null leaves a time alone. */
interface Times {
  readonly accessNs: bigint | null;
  readonly modifyNs: bigint | null;
}

/** Two pairs of 64-bit words; `scale` makes nanoseconds of the second. */
function readTimes(kernel: Kernel, address: number, scale: number): Times | number {
  const now = currentTime(kernel);
  if (address === 0) return { accessNs: now, modifyNs: now };
  const bytes = new Uint8Array(32);
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const times: (bigint | null)[] = [];
  for (const at of [0, 16]) {
    const fraction = Number(view.getBigInt64(at + 8, true));
    if (scale === 1 && fraction === UTIME_OMIT) times.push(null);
    else if (scale === 1 && fraction === UTIME_NOW) times.push(now);
    else if (fraction < 0 || fraction * scale >= NSEC_PER_SEC) return -Errno.EINVAL;
    else times.push(view.getBigInt64(at, true) * BigInt(NSEC_PER_SEC) + BigInt(fraction * scale));
  }
  return { accessNs: times[0], modifyNs: times[1] };
}

function setTimes(kernel: Kernel, dentry: Dentry, { accessNs, modifyNs }: Times): number {
  const { inode } = dentry;
  if (accessNs !== null) inode.accessNs = accessNs;
  if (modifyNs !== null) inode.modifyNs = modifyNs;
  if (accessNs !== null || modifyNs !== null) inode.changeNs = currentTime(kernel);
  kernel.cpu.write(inode.address + 64);
  notifyFile(kernel, dentry, In.ATTRIB);
  return 0;
}

function onPath(
  kernel: Kernel,
  [dirfd, address, flags]: readonly [number, number, number],
  times: Times,
): number {
  const path = getname(kernel, address, (flags & At.EMPTY_PATH) !== 0);
  if (typeof path === 'number') return path;
  if (path === '') {
    const file = fdget(kernel, dirfd);
    return file === null ? -Errno.EBADF : setTimes(kernel, file.dentry, times);
  }
  const follow = (flags & At.SYMLINK_NOFOLLOW) === 0;
  const dentry = filenameLookup(kernel, dirfd, path, { follow });
  if (typeof dentry === 'number') return dentry;
  putPath(kernel);
  return setTimes(kernel, dentry, times);
}

export function sysUtimensat(kernel: Kernel, args: SyscallArguments): number {
  const flags = args.low(3);
  if ((flags & ~(At.SYMLINK_NOFOLLOW | At.EMPTY_PATH)) !== 0) return -Errno.EINVAL;
  const times = readTimes(kernel, args.unsigned(2), 1);
  if (typeof times === 'number') return times;
  if (args.unsigned(1) === 0) {
    const file = fdget(kernel, args.int(0));
    return file === null ? -Errno.EBADF : setTimes(kernel, file.dentry, times);
  }
  return onPath(kernel, [args.int(0), args.unsigned(1), flags], times);
}

const NSEC_PER_USEC = 1000;

export function sysUtimes(kernel: Kernel, args: SyscallArguments): number {
  const times = readTimes(kernel, args.unsigned(1), NSEC_PER_USEC);
  return typeof times === 'number' ? times : onPath(kernel, [At.FDCWD, args.unsigned(0), 0], times);
}

export function sysFutimesat(kernel: Kernel, args: SyscallArguments): number {
  const times = readTimes(kernel, args.unsigned(2), NSEC_PER_USEC);
  if (typeof times === 'number') return times;
  return onPath(kernel, [args.int(0), args.unsigned(1), 0], times);
}
