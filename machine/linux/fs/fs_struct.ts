/** The root and working directory of tasks, after Linux 6.1 fs/fs_struct.c. Omits: chroot. */
import type { Dentry, FsStruct } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { dget, dput } from './dcache.ts';

export const UMASK_DEFAULT = 0o022;

/** A new fs_struct; null without memory. */
export function newFs(
  kernel: Pick<Kernel, 'cpu' | 'memory' | 'buddy' | 'caches'>,
  root: Dentry,
  pwd: Dentry,
  umask: number,
): FsStruct | null {
  const address = kernel.caches.fsStruct.allocate(kernel);
  if (address < 0) return null;
  dget(root);
  dget(pwd);
  return { address, references: 1, root, pwd, umask };
}

/** copy_fs_struct: for a child that does not share it. */
export function copyFs(kernel: Kernel, from: FsStruct): FsStruct | null {
  return newFs(kernel, from.root, from.pwd, from.umask);
}

export function setPwd(kernel: Kernel, fs: FsStruct, directory: Dentry): void {
  const before = fs.pwd;
  dget(directory);
  fs.pwd = directory;
  kernel.cpu.write(fs.address);
  dput(kernel, before);
}

/** exit_fs */
export function putFs(kernel: Kernel, fs: FsStruct): void {
  fs.references--;
  if (fs.references > 0) return;
  dput(kernel, fs.root);
  dput(kernel, fs.pwd);
  kernel.caches.fsStruct.free(kernel, fs.address);
}
