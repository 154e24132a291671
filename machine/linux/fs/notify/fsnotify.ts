/**
 * Who is told of what happens to files, after Linux 6.1 fs/notify/fsnotify.c and
 * include/linux/fsnotify.h. Watches are kept beside the inodes: while there is none, nothing is done and
 * nothing charged beyond what the counted paths hold. Omits: fanotify, dnotify, marks on mounts.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { Dentry, Inode } from '../../include/linux/fs.ts';
import type { Kernel } from '../../init/kernel.ts';
import { isDirectory } from '../inode.ts';

/** include/uapi/linux/inotify.h */
export const enum In {
  ACCESS = 0x1,
  MODIFY = 0x2,
  ATTRIB = 0x4,
  CLOSE_WRITE = 0x8,
  CLOSE_NOWRITE = 0x10,
  OPEN = 0x20,
  MOVED_FROM = 0x40,
  MOVED_TO = 0x80,
  CREATE = 0x100,
  DELETE = 0x200,
  DELETE_SELF = 0x400,
  MOVE_SELF = 0x800,
  UNMOUNT = 0x2000,
  Q_OVERFLOW = 0x4000,
  IGNORED = 0x8000,
  ALL_EVENTS = 0xfff,
  ONLYDIR = 0x0100_0000,
  DONT_FOLLOW = 0x0200_0000,
  EXCL_UNLINK = 0x0400_0000,
  MASK_CREATE = 0x1000_0000,
  MASK_ADD = 0x2000_0000,
  ISDIR = 0x4000_0000,
  ONESHOT = 0x8000_0000,
}

/** fsnotify_mark: somebody's interest in an inode. */
export interface Watch {
  /** Tells of an event; `name` is empty when it is about the inode itself. */
  readonly notify: (kernel: Kernel, mask: number, name: string, cookie: number) => void;
  /** The inode is gone. */
  readonly gone: (kernel: Kernel) => void;
}

/** One event, beyond its mask and whom it is about. */
interface Detail {
  readonly name?: string;
  readonly cookie?: number;
}

function tell(kernel: Kernel, inode: Inode, mask: number, detail: Detail = {}): void {
  const watches = kernel.watches.get(inode);
  if (watches === undefined) return;
  kernel.cpu.run(F.fsnotify, 120);
  for (const watch of [...watches]) {
    watch.notify(kernel, mask, detail.name ?? '', detail.cookie ?? 0);
  }
}

const withKind = (inode: Inode, mask: number): number =>
  isDirectory(inode) ? (mask | In.ISDIR) >>> 0 : mask;

/** fsnotify_dentry and fsnotify_file: the parent's watches hear the name, the inode's own do not. */
export function notifyFile(kernel: Kernel, dentry: Dentry, mask: number): void {
  if (kernel.watches.size === 0) return;
  const { inode, parent, name } = dentry;
  const full = withKind(inode, mask);
  if (parent !== dentry) tell(kernel, parent.inode, full, { name });
  tell(kernel, inode, full);
}

/** fsnotify_inode: about the inode only. */
export function notifyInode(kernel: Kernel, inode: Inode, mask: number): void {
  if (kernel.watches.size > 0) tell(kernel, inode, withKind(inode, mask));
}

/** fsnotify_name: about a name in a directory. */
export function notifyName(
  kernel: Kernel,
  directory: Dentry,
  about: { readonly inode: Inode; readonly name: string; readonly cookie?: number },
  mask: number,
): void {
  if (kernel.watches.size === 0) return;
  const { inode, name, cookie = 0 } = about;
  tell(kernel, directory.inode, withKind(inode, mask), { name, cookie });
}

/** fsnotify_inoderemove: the inode's last name and user have gone. */
export function notifyGone(kernel: Kernel, inode: Inode): void {
  const watches = kernel.watches.get(inode);
  if (watches === undefined) return;
  notifyInode(kernel, inode, In.DELETE_SELF);
  kernel.watches.delete(inode);
  for (const watch of watches) watch.gone(kernel);
}
