/**
 * inotify, after Linux 6.1 fs/notify/inotify/inotify_user.c: a queue of events about watched inodes, read
 * from a descriptor. Instructions are estimates from the source, within a third: no counted path goes
 * here. Omits: limits on a user's watches, IN_EXCL_UNLINK, unmounting.
 */
import { MachineBug } from '../../../../core/assert.ts';
import type { SyscallArguments } from '../../../arch/x86/entry/syscall-arguments.ts';
import { F } from '../../../arch/x86/model/generated/function-ids.ts';
import type {
  FileOperations,
  FileStruct,
  Inode,
  IoResult,
  PollTable,
} from '../../../include/linux/fs.ts';
import type { Sleeping } from '../../../include/linux/sched.ts';
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import { At, O } from '../../../include/uapi/asm-generic/fcntl.ts';
import { Poll } from '../../../include/uapi/asm-generic/poll.ts';
import type { Kernel } from '../../../init/kernel.ts';
import {
  waitEventInterruptible,
  type WaitQueueHead,
  waitQueueHead,
  wakeUp,
} from '../../../kernel/sched/wait.ts';
import type { IovIter } from '../../../lib/iov_iter.ts';
import { fdget, fdInstall, getUnusedFd } from '../../file.ts';
import { anonFile } from '../../file_table.ts';
import { isDirectory } from '../../inode.ts';
import { Ioctl, putInt } from '../../ioctl-numbers.ts';
import { filenameLookup } from '../../namei.ts';
import { getname } from '../../../lib/strncpy_from_user.ts';
import { In, type Watch } from '../fsnotify.ts';

/** fs.inotify.max_queued_events */
const EVENTS_MAX = 16_384;
/** struct inotify_event; names are padded to multiples of it. */
const EVENT_BYTES = 16;
const FLAG_BITS =
  In.ONLYDIR | In.DONT_FOLLOW | In.EXCL_UNLINK | In.MASK_CREATE | In.MASK_ADD | In.ONESHOT;

interface Event {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

/** inotify_inode_mark */
class InotifyWatch implements Watch {
  constructor(
    readonly group: InotifyGroup,
    readonly wd: number,
    readonly inode: Inode,
    public mask: number,
  ) {}

  notify(kernel: Kernel, mask: number, name: string, cookie: number): void {
    if ((mask & this.mask & In.ALL_EVENTS) === 0) return;
    // Compatibility: these two never say that it was a directory.
    const isSelf = (mask & (In.MOVE_SELF | In.DELETE_SELF)) !== 0;
    const shown = (isSelf ? mask & ~In.ISDIR : mask) >>> 0;
    this.group.queue(kernel, { wd: this.wd, mask: shown, cookie, name });
    if ((this.mask & In.ONESHOT) !== 0) this.group.remove(kernel, this);
  }

  gone(kernel: Kernel): void {
    this.group.forget(kernel, this);
  }
}

/** fsnotify_group with inotify_group_private_data */
class InotifyGroup {
  readonly wait: WaitQueueHead;
  readonly events: Event[] = [];
  readonly watches = new Map<number, InotifyWatch>();
  private nextWd = 1;

  constructor(readonly address: number) {
    this.wait = waitQueueHead(address);
  }

  /** fsnotify_add_event: one that says the same as the last is dropped. */
  queue(kernel: Kernel, event: Event): void {
    const { events } = this;
    kernel.cpu.run(F.inotify_handle_inode_event, 150);
    kernel.cpu.write(this.address);
    const last = events.at(-1);
    const isSame =
      last !== undefined &&
      last.wd === event.wd &&
      last.mask === event.mask &&
      last.name === event.name &&
      (last.mask & In.IGNORED) === 0;
    if (isSame) return;
    if (events.length < EVENTS_MAX) events.push(event);
    else if (last?.mask !== (In.Q_OVERFLOW as number)) {
      events.push({ wd: -1, mask: In.Q_OVERFLOW, cookie: 0, name: '' });
    }
    if (this.wait.entries.length > 0) wakeUp(kernel, this.wait, Infinity);
  }

  add(kernel: Kernel, inode: Inode, mask: number): InotifyWatch {
    const watch = new InotifyWatch(this, this.nextWd++, inode, mask);
    this.watches.set(watch.wd, watch);
    const present = kernel.watches.get(inode);
    if (present === undefined) kernel.watches.set(inode, [watch]);
    else present.push(watch);
    return watch;
  }

  watchOf(inode: Inode): InotifyWatch | undefined {
    return [...this.watches.values()].find((watch) => watch.inode === inode);
  }

  /** fsnotify_destroy_mark */
  remove(kernel: Kernel, watch: InotifyWatch): void {
    const present = kernel.watches.get(watch.inode);
    const at = present?.indexOf(watch) ?? -1;
    if (at >= 0) present?.splice(at, 1);
    if (present?.length === 0) kernel.watches.delete(watch.inode);
    this.forget(kernel, watch);
  }

  /** inotify_ignored_and_remove_idr */
  forget(kernel: Kernel, watch: InotifyWatch): void {
    if (!this.watches.delete(watch.wd)) return;
    this.queue(kernel, { wd: watch.wd, mask: In.IGNORED, cookie: 0, name: '' });
  }
}

function groupOf(file: FileStruct): InotifyGroup {
  if (!(file.data instanceof InotifyGroup)) throw new MachineBug('an inotify has a group');
  return file.data;
}

/** Bytes of the name as it is read: padded, with at least one NUL; none without a name. */
function nameBytes({ name }: Event): number {
  if (name === '') return 0;
  const bytes = new TextEncoder().encode(name).length;
  return Math.ceil((bytes + 1) / EVENT_BYTES) * EVENT_BYTES;
}

function encode(event: Event): Uint8Array {
  const length = nameBytes(event);
  const bytes = new Uint8Array(EVENT_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, event.wd, true);
  view.setUint32(4, event.mask, true);
  view.setUint32(8, event.cookie, true);
  view.setUint32(12, length, true);
  bytes.set(new TextEncoder().encode(event.name), EVENT_BYTES);
  return bytes;
}

/** Events that fit. Bytes, 0 for none, -EINVAL when the first does not fit, -EFAULT. */
function takeEvents(kernel: Kernel, group: InotifyGroup, iter: IovIter): number {
  let done = 0;
  for (;;) {
    const event = group.events.at(0);
    if (event === undefined) return done;
    const bytes = encode(event);
    if (bytes.length > iter.count) return done > 0 ? done : -Errno.EINVAL;
    group.events.shift();
    kernel.cpu.run(F.inotify_read, 80);
    if (iter.copyTo(kernel, bytes) < bytes.length) return done > 0 ? done : -Errno.EFAULT;
    done += bytes.length;
  }
}

function read(kernel: Kernel, file: FileStruct, iter: IovIter): IoResult {
  kernel.cpu.run(F.inotify_read, 60);
  const group = groupOf(file);
  const done = takeEvents(kernel, group, iter);
  if (done !== 0) return done;
  return (file.flags & O.NONBLOCK) !== 0 ? -Errno.EAGAIN : waitToRead(kernel, group, iter);
}

function* waitToRead(kernel: Kernel, group: InotifyGroup, iter: IovIter): Sleeping<number> {
  for (;;) {
    const ready = (): boolean => group.events.length > 0;
    const woken = yield* waitEventInterruptible(kernel, group.wait, ready);
    if (woken < 0) return woken;
    const done = takeEvents(kernel, group, iter);
    if (done !== 0) return done;
  }
}

function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const group = groupOf(file);
  kernel.cpu.run(F.inotify_poll, 30);
  table?.queue(kernel, file, group.wait);
  return group.events.length > 0 ? Poll.IN | Poll.RDNORM : 0;
}

const INOTIFY: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  read,
  poll,
  ioctl: (kernel, file, command, argument) => {
    if (command !== (Ioctl.FIONREAD as number)) return -Errno.ENOTTY;
    const { events } = groupOf(file);
    const bytes = events.reduce((sum, event) => sum + EVENT_BYTES + nameBytes(event), 0);
    return putInt(kernel, argument, bytes);
  },
  release: (kernel, file) => {
    const group = groupOf(file);
    for (const watch of [...group.watches.values()]) group.remove(kernel, watch);
    kernel.caches.kmalloc256.freeQuietly(group.address);
  },
};

function doInit(kernel: Kernel, flags: number): number {
  const { cpu, caches } = kernel;
  cpu.run(F.do_inotify_init, 80);
  if ((flags & ~(O.CLOEXEC | O.NONBLOCK)) !== 0) return -Errno.EINVAL;
  const address = caches.kmalloc256.allocate(kernel);
  if (address < 0) return -Errno.ENOMEM;
  const data = new InotifyGroup(address);
  const fd = getUnusedFd(kernel);
  const file =
    fd < 0
      ? null
      : anonFile(kernel, 'inotify', INOTIFY, { data, flags: O.RDONLY | (flags & O.NONBLOCK) });
  if (file === null) {
    caches.kmalloc256.freeQuietly(address);
    return fd < 0 ? fd : -Errno.ENFILE;
  }
  fdInstall(kernel, fd, file, flags);
  return fd;
}

export const sysInotifyInit = (kernel: Kernel): number => doInit(kernel, 0);

export const sysInotifyInit1 = (kernel: Kernel, args: SyscallArguments): number =>
  doInit(kernel, args.low(0));

/** The group of a descriptor, or -EBADF, -EINVAL. */
function lookUp(kernel: Kernel, fd: number): InotifyGroup | number {
  const file = fdget(kernel, fd);
  if (file === null) return -Errno.EBADF;
  return file.operations === INOTIFY ? groupOf(file) : -Errno.EINVAL;
}

export function sysInotifyAddWatch(kernel: Kernel, args: SyscallArguments): number {
  const mask = args.low(2) >>> 0;
  kernel.cpu.run(F.__x64_sys_inotify_add_watch, 200);
  if ((mask & (In.ALL_EVENTS | In.UNMOUNT | FLAG_BITS)) === 0) return -Errno.EINVAL;
  const fd = args.int(0);
  if (fdget(kernel, fd) === null) return -Errno.EBADF;
  if ((mask & In.MASK_ADD) !== 0 && (mask & In.MASK_CREATE) !== 0) return -Errno.EINVAL;
  const group = lookUp(kernel, fd);
  if (typeof group === 'number') return group;
  const path = getname(kernel, args.unsigned(1));
  if (typeof path === 'number') return path;
  const follow = (mask & In.DONT_FOLLOW) === 0;
  const dentry = filenameLookup(kernel, At.FDCWD, path, { follow });
  if (typeof dentry === 'number') return dentry;
  const { inode } = dentry;
  if ((mask & In.ONLYDIR) !== 0 && !isDirectory(inode)) return -Errno.ENOTDIR;
  const kept = mask & (In.ALL_EVENTS | In.ONESHOT);
  const present = group.watchOf(inode);
  if (present === undefined) return group.add(kernel, inode, kept).wd;
  if ((mask & In.MASK_CREATE) !== 0) return -Errno.EEXIST;
  present.mask = (mask & In.MASK_ADD) !== 0 ? present.mask | kept : kept;
  return present.wd;
}

export function sysInotifyRmWatch(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_inotify_rm_watch, 90);
  const wd = args.int(1);
  const group = lookUp(kernel, args.int(0));
  if (typeof group === 'number') return group;
  const watch = group.watches.get(wd);
  if (watch === undefined) return -Errno.EINVAL;
  group.remove(kernel, watch);
  return 0;
}
