/** getdents64 and getdents, after Linux 6.1 fs/readdir.c and fs/libfs.c (dcache_readdir). */
import { writeUserBytes } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Dentry, FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { upRead } from '../kernel/locking/rwsem.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { securityFilePermission } from '../security/security.ts';
import { invalidate } from './dcache.ts';
import { fdget } from './file.ts';
import { isDirectory, touchAtime } from './inode.ts';
import { entryType } from './libfs.ts';
import { dynamicOf } from './namei.ts';
import { lockPosition, unlockPosition } from './read_write.ts';

/** Bytes before the name in linux_dirent64 and in linux_dirent (whose type comes last). */
const HEADER_BYTES = 19;
const OLD_HEADER_BYTES = 18;

interface Entry {
  readonly name: string;
  readonly inode: number;
  readonly type: number;
}

/** Entries as a listing shows them: . and .., then the others, newest first as dcache_readdir walks. */
function entriesOf(kernel: Kernel, dentry: Dentry): Entry[] {
  const self = (name: string, { inode }: Dentry): Entry => ({
    name,
    inode: inode.number,
    type: entryType(inode.mode),
  });
  const entries = [self('.', dentry), self('..', dentry.parent)];
  const dynamic = dynamicOf(dentry);
  if (dynamic !== null) {
    for (const child of [...(dentry.children?.values() ?? [])]) {
      if (dynamic.isStale(kernel, child)) invalidate(kernel, child);
    }
  }
  for (const name of dynamic?.names(kernel) ?? []) dynamic?.lookup(kernel, dentry, name);
  for (const [name, child] of [...(dentry.children ?? [])].reverse())
    entries.push(self(name, child));
  return entries;
}

type Format = (entry: Entry, offset: number) => Uint8Array;

/** struct linux_dirent64: inode, offset of the next, length, type, name. */
const format64: Format = ({ name, inode, type }, offset) => {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array((HEADER_BYTES + text.length + 1 + 7) & ~7);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(inode), true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setUint16(16, bytes.length, true);
  view.setUint8(18, type);
  bytes.set(text, HEADER_BYTES);
  return bytes;
};

/** struct linux_dirent: the type is its last byte. */
const formatOld: Format = ({ name, inode, type }, offset) => {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array((OLD_HEADER_BYTES + text.length + 2 + 7) & ~7);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(inode), true);
  view.setBigUint64(8, BigInt(offset), true);
  view.setUint16(16, bytes.length, true);
  bytes.set(text, OLD_HEADER_BYTES);
  view.setUint8(bytes.length - 1, type);
  return bytes;
};

export function sysGetdents64(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_getdents64, 62);
  return doGetdents(kernel, args, format64);
}

export const sysGetdents = (kernel: Kernel, args: SyscallArguments): number =>
  doGetdents(kernel, args, formatOld);

function doGetdents(kernel: Kernel, args: SyscallArguments, format: Format): number {
  const { cpu } = kernel;
  cpu.run(F.__fdget_pos, 23);
  const file = fdget(kernel, args.int(0));
  if (file === null) return -Errno.EBADF;
  if (!isDirectory(file.inode)) return -Errno.ENOTDIR;
  lockPosition(kernel, file);
  cpu.run(F.iterate_dir, 67);
  securityFilePermission(kernel, file, true);
  cpu.run(F.down_read_killable, 24);
  cpu.write(file.inode.address + 128);
  condResched(cpu);
  const result =
    !file.dentry.hashed && file.dentry.parent !== file.dentry
      ? -Errno.ENOENT
      : emit(kernel, file, args, format);
  touchAtime(kernel, file.inode);
  upRead(cpu, file.inode.address + 128);
  cpu.run(F.__put_user_8, 3);
  cpu.run(F.__put_user_nocheck_8, 5);
  unlockPosition(kernel);
  return result;
}

/** dcache_readdir: as many entries as the buffer takes, from the file's position on. */
function emit(kernel: Kernel, file: FileStruct, args: SyscallArguments, format: Format): number {
  const { cpu } = kernel;
  const [buffer, room] = [args.unsigned(1), args.low(2)];
  const entries = entriesOf(kernel, file.dentry);
  let done = 0;
  let count = 0;
  while (file.position < entries.length) {
    const entry = format(entries[file.position], file.position + 1);
    if (done + entry.length > room) {
      if (done === 0) return -Errno.EINVAL;
      break;
    }
    if (copyQuietly(kernel, buffer + done, entry) < 0) return done > 0 ? done : -Errno.EFAULT;
    done += entry.length;
    count++;
    file.position++;
  }
  cpu.run(F.dcache_readdir, 54 + 20 * count);
  cpu.runCalls(F.filldir64, 81 * count, count);
  cpu.runCalls(F.verify_dirent_name, 11 * count, count);
  cpu.runCalls(F.memchr, 14 * count, count);
  const children = Math.max(0, count - 2);
  cpu.runCalls(F.scan_positives, 45 * (children + 1), children + 1);
  cpu.runCalls(F._raw_spin_lock, 7 * (3 + 2 * children), 3 + 2 * children);
  cpu.runCalls(F._raw_spin_unlock, 6 * (3 + 2 * children), 3 + 2 * children);
  cpu.run(F.__list_del_entry_valid, 20);
  return done;
}

/** filldir64 writes with unsafe_put_user: its instructions are its own. */
function copyQuietly(kernel: Kernel, address: number, bytes: Uint8Array): number {
  return writeUserBytes(kernel, address, bytes);
}
