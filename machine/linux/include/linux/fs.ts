/** Inodes, directory entries, open files and what they can do, after Linux 6.1 include/linux/fs.h and dcache.h. */
import type { Kernel } from '../../init/kernel.ts';
import type { WaitQueueHead } from '../../kernel/sched/wait.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import type { MappedFile } from './mm_types.ts';
import type { Sleeping } from './sched.ts';

export const enum FileMode {
  TYPE = 0o170000,
  SOCKET = 0o140000,
  SYMLINK = 0o120000,
  REGULAR = 0o100000,
  BLOCK = 0o060000,
  DIRECTORY = 0o040000,
  CHARACTER = 0o020000,
  FIFO = 0o010000,
  SET_USER = 0o4000,
  SET_GROUP = 0o2000,
  STICKY = 0o1000,
  /** What chmod may change. */
  CHANGEABLE = 0o7777,
  EXECUTE = 0o111,
}

/** A mounted file system, as far as statfs and st_dev tell it from others. */
export interface SuperBlock {
  readonly type:
    'tmpfs' | 'proc' | 'sysfs' | 'pipefs' | 'anon_inodefs' | 'sockfs' | 'devtmpfs' | 'cgroup2';
  readonly magic: number;
  /** st_dev */
  readonly device: number;
  nextInode: number;
  /** Inodes in use. */
  inodes: number;
}

/** A path; or what finds it, as a path or (a magic link) as the entry itself. */
export type LinkTarget = string | ((kernel: Kernel) => string | Dentry);

export interface Inode {
  /** Physical address of the object. */
  readonly address: number;
  readonly number: number;
  readonly superBlock: SuperBlock;
  /** Type and permissions. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  /** Device number of a device file, as stat shows it. */
  readonly device: number;
  /** Nanoseconds since 1970. */
  accessNs: bigint;
  modifyNs: bigint;
  changeNs: bigint;
  /** Contents of a regular file; null for all others. */
  readonly mapping: MappedFile | null;
  /** Target of a symbolic link; a function where it depends on who asks (/proc/self). */
  readonly target: LinkTarget | null;
  readonly operations: FileOperations;
  /** What the operations keep of an open or shared object (a pipe, an eventfd, a generated text). */
  readonly data: unknown;
  /** Directory entries that name it, and open objects without a name. */
  references: number;
  /** Opens for writing, and executions (negative: text is busy). */
  writers: number;
}

/** struct dentry: always positive, since tmpfs keeps no others. */
export interface Dentry {
  readonly address: number;
  name: string;
  parent: Dentry;
  readonly inode: Inode;
  /** Entries of a directory in the order of creation; null for others. */
  readonly children: Map<string, Dentry> | null;
  /** Users besides the tree: open files, working directories. */
  users: number;
  /** False once unlinked. */
  hashed: boolean;
}

export type IoResult = number | Sleeping<number>;

/** file_operations: what is absent cannot be done. */
export interface FileOperations {
  readonly kind:
    | 'regular'
    | 'directory'
    | 'null'
    | 'zero'
    | 'pipe'
    | 'console'
    | 'text'
    | 'socket'
    | 'anonymous'
    | 'device';
  /** FMODE_STREAM: no position, no seeking. */
  readonly stream: boolean;
  /** The counterpart has read and write rather than read_iter and write_iter. */
  readonly plain: boolean;
  readonly read?: (kernel: Kernel, file: FileStruct, iter: IovIter, position: number) => IoResult;
  readonly write?: (kernel: Kernel, file: FileStruct, iter: IovIter, position: number) => IoResult;
  /** Ready events (POLLIN ...); registers the waiter of `table`, if there is one. */
  readonly poll?: (kernel: Kernel, file: FileStruct, table: PollTable | null) => number;
  /** Size for SEEK_END; absent: not seekable, or always at 0. */
  readonly size?: (file: FileStruct) => number;
  readonly ioctl?: (kernel: Kernel, file: FileStruct, command: number, arg: number) => number;
  /** What mmap maps at `offset` (bytes) beside the contents, or -errno. */
  readonly mmap?: (file: FileStruct, offset: number, length: number) => MappedFile | number;
  readonly open?: (kernel: Kernel, file: FileStruct) => IoResult;
  readonly release?: (kernel: Kernel, file: FileStruct) => void;
}

/** poll_table_struct: called with each wait queue that the file may wake. */
export interface PollTable {
  readonly queue: (kernel: Kernel, file: FileStruct, head: WaitQueueHead) => void;
}

/** struct file */
export interface FileStruct {
  readonly address: number;
  readonly dentry: Dentry;
  readonly inode: Inode;
  readonly operations: FileOperations;
  /** O_ACCMODE and status bits; F_SETFL changes the latter. */
  flags: number;
  position: number;
  /** Descriptors, mappings and calls under way that hold it. */
  references: number;
  /** What the operations keep of this opening. */
  data: unknown;
}

/** files_struct and its fdtable: what the threads of a process share. */
export interface FilesStruct {
  readonly address: number;
  references: number;
  readonly fd: (FileStruct | null)[];
  /** Descriptors that execve closes. */
  readonly closeOnExec: Set<number>;
}

/** fs_struct */
export interface FsStruct {
  readonly address: number;
  references: number;
  root: Dentry;
  pwd: Dentry;
  umask: number;
}
