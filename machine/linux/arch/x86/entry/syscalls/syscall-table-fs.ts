/**
 * What answers the system calls on files, after Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl:
 * the part of the table that fs/ serves, each with what it leaves out.
 */
import { sysGetcwd } from '../../../../fs/d_path.ts';
import { sysEventfd, sysEventfd2 } from '../../../../fs/eventfd.ts';
import {
  sysEpollCreate,
  sysEpollCreate1,
  sysEpollCtl,
  sysEpollPwait,
  sysEpollPwait2,
  sysEpollWait,
} from '../../../../fs/eventpoll-syscalls.ts';
import {
  sysInotifyAddWatch,
  sysInotifyInit,
  sysInotifyInit1,
  sysInotifyRmWatch,
} from '../../../../fs/notify/inotify/inotify_user.ts';
import { sysSignalfd, sysSignalfd4 } from '../../../../fs/signalfd.ts';
import { sysSplice, sysTee, sysVmsplice } from '../../../../fs/splice-pipes.ts';
import { sysPipe, sysPipe2 } from '../../../../fs/pipe-syscalls.ts';
import { sysCopyFileRange, sysSendfile } from '../../../../fs/splice.ts';
import { sysMemfdCreate } from '../../../../mm/memfd.ts';
import { sysPoll, sysPpoll, sysPselect6, sysSelect } from '../../../../fs/select.ts';
import { sysFcntl } from '../../../../fs/fcntl.ts';
import { sysClose, sysCloseRange, sysDup, sysDup2, sysDup3 } from '../../../../fs/file.ts';
import { sysIoctl } from '../../../../fs/ioctl.ts';
import { sysFlock } from '../../../../fs/locks.ts';
import {
  sysMkdir,
  sysMkdirat,
  sysMknod,
  sysMknodat,
  sysRmdir,
  sysSymlink,
  sysSymlinkat,
  sysUnlink,
  sysUnlinkat,
} from '../../../../fs/namei-change.ts';
import {
  sysLink,
  sysLinkat,
  sysRename,
  sysRenameat,
  sysRenameat2,
} from '../../../../fs/namei-rename.ts';
import {
  sysAccess,
  sysChdir,
  sysChmod,
  sysChown,
  sysCreat,
  sysFaccessat,
  sysFaccessat2,
  sysFallocate,
  sysFchdir,
  sysFchmod,
  sysFchmodat,
  sysFchown,
  sysFchownat,
  sysFtruncate,
  sysLchown,
  sysOpen,
  sysOpenat,
  sysTruncate,
  sysUmask,
} from '../../../../fs/open.ts';
import {
  sysLseek,
  sysPread64,
  sysPreadv,
  sysPreadv2,
  sysPwrite64,
  sysPwritev,
  sysPwritev2,
  sysRead,
  sysReadv,
  sysWrite,
  sysWritev,
} from '../../../../fs/read_write.ts';
import { sysGetdents, sysGetdents64 } from '../../../../fs/readdir.ts';
import {
  sysNewfstat,
  sysNewfstatat,
  sysNewlstat,
  sysNewstat,
  sysReadlink,
  sysReadlinkat,
  sysStatx,
} from '../../../../fs/stat.ts';
import { sysFstatfs, sysStatfs } from '../../../../fs/statfs.ts';
import { sysFadvise64, sysFsync, sysSync, sysSyncfs } from '../../../../fs/sync.ts';
import { sysFutimesat, sysUtimensat, sysUtimes } from '../../../../fs/utimes.ts';
import {
  sysIoUringEnter,
  sysIoUringRegister,
  sysIoUringSetup,
} from '../../../../io_uring/syscalls.ts';
import type { SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import type { Handled } from './syscall-table.ts';

const ROOT_ONLY = 'permissions: everybody is root';
const PACKETS = 'packet mode';
const WAITING = 'waiting for a lock';

export const FILE_CALLS: Partial<Record<SyscallName, Handled>> = {
  read: [sysRead],
  write: [sysWrite],
  pread64: [sysPread64],
  pwrite64: [sysPwrite64],
  readv: [sysReadv],
  writev: [sysWritev],
  preadv: [sysPreadv],
  pwritev: [sysPwritev],
  preadv2: [sysPreadv2, 'RWF_NOWAIT and RWF_APPEND'],
  pwritev2: [sysPwritev2, 'RWF_NOWAIT and RWF_APPEND'],
  lseek: [sysLseek],
  open: [sysOpen, ROOT_ONLY],
  openat: [sysOpenat, ROOT_ONLY],
  creat: [sysCreat, ROOT_ONLY],
  close: [sysClose],
  close_range: [sysCloseRange],
  dup: [sysDup],
  dup2: [sysDup2],
  dup3: [sysDup3],
  fcntl: [sysFcntl, 'owners and signals of descriptors, leases, seals, waiting for a lock'],
  flock: [sysFlock, WAITING],
  ioctl: [sysIoctl, 'requests of terminals and devices: there are none'],
  stat: [sysNewstat],
  lstat: [sysNewlstat],
  fstat: [sysNewfstat],
  newfstatat: [sysNewfstatat],
  statx: [sysStatx, 'birth times and attributes'],
  statfs: [sysStatfs],
  fstatfs: [sysFstatfs],
  access: [sysAccess, ROOT_ONLY],
  faccessat: [sysFaccessat, ROOT_ONLY],
  faccessat2: [sysFaccessat2, ROOT_ONLY],
  readlink: [sysReadlink],
  readlinkat: [sysReadlinkat],
  getdents: [sysGetdents],
  getdents64: [sysGetdents64],
  getcwd: [sysGetcwd],
  chdir: [sysChdir],
  fchdir: [sysFchdir],
  umask: [sysUmask],
  mkdir: [sysMkdir, ROOT_ONLY],
  mkdirat: [sysMkdirat, ROOT_ONLY],
  mknod: [sysMknod, 'devices other than memory and random'],
  mknodat: [sysMknodat, 'devices other than memory and random'],
  rmdir: [sysRmdir, ROOT_ONLY],
  unlink: [sysUnlink, ROOT_ONLY],
  unlinkat: [sysUnlinkat, ROOT_ONLY],
  link: [sysLink, ROOT_ONLY],
  linkat: [sysLinkat, ROOT_ONLY],
  symlink: [sysSymlink, ROOT_ONLY],
  symlinkat: [sysSymlinkat, ROOT_ONLY],
  rename: [sysRename, ROOT_ONLY],
  renameat: [sysRenameat, ROOT_ONLY],
  renameat2: [sysRenameat2, 'RENAME_WHITEOUT'],
  truncate: [sysTruncate],
  ftruncate: [sysFtruncate],
  fallocate: [sysFallocate, 'collapsing, inserting and zeroing ranges'],
  chmod: [sysChmod, ROOT_ONLY],
  fchmod: [sysFchmod, ROOT_ONLY],
  fchmodat: [sysFchmodat, ROOT_ONLY],
  chown: [sysChown, ROOT_ONLY],
  lchown: [sysLchown, ROOT_ONLY],
  fchown: [sysFchown, ROOT_ONLY],
  fchownat: [sysFchownat, ROOT_ONLY],
  utimensat: [sysUtimensat, ROOT_ONLY],
  utimes: [sysUtimes, ROOT_ONLY],
  futimesat: [sysFutimesat, ROOT_ONLY],
  sendfile: [sysSendfile],
  copy_file_range: [sysCopyFileRange],
  memfd_create: [sysMemfdCreate, 'seals, huge pages'],
  pipe: [sysPipe, PACKETS],
  pipe2: [sysPipe2, PACKETS],
  poll: [sysPoll],
  ppoll: [sysPpoll],
  select: [sysSelect, 'writing back the time that is left'],
  pselect6: [sysPselect6, 'writing back the time that is left'],
  epoll_create: [sysEpollCreate],
  epoll_create1: [sysEpollCreate1],
  epoll_ctl: [sysEpollCtl, 'EPOLLEXCLUSIVE wakes all'],
  epoll_wait: [sysEpollWait],
  epoll_pwait: [sysEpollPwait],
  epoll_pwait2: [sysEpollPwait2],
  inotify_init: [sysInotifyInit],
  inotify_init1: [sysInotifyInit1],
  inotify_add_watch: [sysInotifyAddWatch, 'reading directories, overwriting by rename'],
  inotify_rm_watch: [sysInotifyRmWatch],
  signalfd: [sysSignalfd],
  signalfd4: [sysSignalfd4],
  splice: [sysSplice],
  tee: [sysTee],
  vmsplice: [sysVmsplice],
  eventfd: [sysEventfd],
  eventfd2: [sysEventfd2],
  io_uring_setup: [sysIoUringSetup, 'IOPOLL, sharing a worker pool'],
  io_uring_enter: [sysIoUringEnter, 'operations but NOP, links, time-outs'],
  io_uring_register: [sysIoUringRegister, 'everything but enabling a ring'],
  sync: [sysSync],
  fsync: [sysFsync],
  fdatasync: [sysFsync],
  syncfs: [sysSyncfs],
  fadvise64: [sysFadvise64],
};
