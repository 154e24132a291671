/**
 * Ours, not Linux's: making files and directories at boot, and inside /proc, without a charge. In
 * Linux, an initramfs (init/initramfs.c) and each file system do this for themselves.
 */
import { MachineBug } from '../../core/assert.ts';
import { copyBytesToIter } from '../lib/iov_iter.ts';
import {
  type Dentry,
  FileMode,
  type FileOperations,
  type FileStruct,
  type LinkTarget,
  type SuperBlock,
} from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { SHMEM_FILE } from '../mm/shmem.ts';
import { attach, makeDentry } from './dcache.ts';
import { type InodeShape, type InodeSource, isDirectory, makeInode } from './inode.ts';
import { DIRECTORY, SYMLINK } from './libfs.ts';

export function addEntry(
  kernel: InodeSource,
  parent: Dentry | null,
  name: string,
  shape: InodeShape & { readonly superBlock?: SuperBlock },
): Dentry {
  const superBlock = shape.superBlock ?? parent?.inode.superBlock;
  if (superBlock === undefined) throw new MachineBug('a root has a file system');
  const inode = makeInode(kernel, superBlock, shape);
  const dentry = inode === null ? null : makeDentry(kernel, name, inode, parent);
  if (inode === null || dentry === null) throw new MachineBug('room for the first files');
  if (parent === null) {
    dentry.hashed = true;
    inode.links = 1;
  } else attach(dentry, parent);
  if (!isDirectory(inode)) return dentry;
  inode.links++;
  if (parent !== null) parent.inode.links++;
  return dentry;
}

interface DirectoryShape {
  readonly mode?: number;
  readonly superBlock?: SuperBlock;
  readonly data?: unknown;
}

export const addDirectory = (
  kernel: InodeSource,
  parent: Dentry | null,
  name: string,
  { mode = 0o755, ...shape }: DirectoryShape = {},
): Dentry =>
  addEntry(kernel, parent, name, {
    mode: FileMode.DIRECTORY | mode,
    operations: DIRECTORY,
    ...shape,
  });

/** A regular file whose pages get frames when they are first needed. */
export function addFile(
  kernel: Kernel,
  parent: Dentry,
  name: string,
  {
    path,
    bytes,
    mode = 0o644,
  }: { readonly path: string; readonly bytes: Uint8Array; readonly mode?: number },
): Dentry {
  const mapping: MappedFile = { path, size: bytes.length, bytes, pages: new Map(), mappings: 0 };
  return addEntry(kernel, parent, name, {
    mode: FileMode.REGULAR | mode,
    operations: SHMEM_FILE,
    mapping,
  });
}

export const addLink = (kernel: Kernel, parent: Dentry, name: string, target: LinkTarget): Dentry =>
  addEntry(kernel, parent, name, { mode: FileMode.SYMLINK | 0o777, operations: SYMLINK, target });

/** The text of a generated file, made anew for each opening. */
export type TextSource = (kernel: Kernel) => string;

/** Files of /proc and /sys: their text is made when they are opened, as seq_file does for short ones. */
const TEXT: FileOperations = {
  kind: 'text',
  stream: false,
  plain: false,
  open: (kernel, file) => {
    file.data = new TextEncoder().encode((file.inode.data as TextSource)(kernel));
    return 0;
  },
  read: (kernel, file, iter, position) => {
    const bytes = textOf(file).subarray(position);
    return copyBytesToIter(kernel, iter, bytes);
  },
  write: (_kernel, _file, iter) => iter.count,
  size: (file) => textOf(file).length,
};

const textOf = (file: FileStruct): Uint8Array => file.data as Uint8Array;

export const addText = (
  kernel: Kernel,
  parent: Dentry,
  name: string,
  source: TextSource,
  mode = 0o444,
): Dentry =>
  addEntry(kernel, parent, name, { mode: FileMode.REGULAR | mode, operations: TEXT, data: source });

/** What is done with text that was written: returns 0 or an error. */
export type ControlWriter = (kernel: Kernel, text: string) => number;

interface Control {
  readonly source: TextSource;
  readonly write: ControlWriter;
}

/** The most that one write to a control may be: kernfs takes a page. */
const CONTROL_BYTES_MAX = 4096;

/** Files that are read as a text and whose writes mean something, as kernfs has them. */
const CONTROL: FileOperations = {
  ...TEXT,
  open: (kernel, file) => {
    file.data = new TextEncoder().encode((file.inode.data as Control).source(kernel));
    return 0;
  },
  write: (kernel, file, iter) => {
    const bytes = new Uint8Array(Math.min(iter.count, CONTROL_BYTES_MAX));
    if (iter.copyFrom(kernel, bytes) < bytes.length) return -Errno.EFAULT;
    const text = new TextDecoder('latin1').decode(bytes);
    const error = (file.inode.data as Control).write(kernel, text);
    return error < 0 ? error : bytes.length;
  },
};

export const addControl = (
  kernel: Kernel,
  parent: Dentry,
  name: string,
  source: TextSource,
  write: ControlWriter,
): Dentry =>
  addEntry(kernel, parent, name, {
    mode: FileMode.REGULAR | 0o644,
    operations: CONTROL,
    data: { source, write } satisfies Control,
  });

/** The directory at an absolute path, made if need be. */
export function ensureDirectory(kernel: Kernel, path: string): Dentry {
  let at = kernel.root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    at = at.children?.get(name) ?? addDirectory(kernel, at, name);
  }
  return at;
}
