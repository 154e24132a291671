/**
 * The first root file system, after Linux 6.1 init/initramfs.c: what a program expects to find on any
 * Linux, all in memory. Omits: an archive to unpack; the list is here.
 */
import { makeDevice, deviceOperations } from '../fs/devices.ts';
import { createProc } from '../fs/proc/root.ts';
import type { InodeSource } from '../fs/inode.ts';
import { createSys } from '../fs/sysfs.ts';
import { addDirectory, addEntry, addFile, addLink, ensureDirectory } from '../fs/tree.ts';
import { type Dentry, FileMode } from '../include/linux/fs.ts';
import type { Kernel } from './kernel.ts';

const DIRECTORIES: readonly string[] = [
  '/bin',
  '/etc',
  '/home',
  '/lib',
  '/lib64',
  '/mnt',
  '/opt',
  '/root',
  '/run',
  '/sbin',
  '/usr/bin',
  '/usr/lib',
  '/usr/sbin',
  '/usr/share',
  '/var/log',
];

const TEMPORARY: readonly string[] = ['tmp', 'var/tmp'];

const FILES: Readonly<Record<string, string>> = {
  '/etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  '/etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  '/etc/hostname': 'cyclelab\n',
  '/etc/hosts': '127.0.0.1\tlocalhost\n',
  '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  '/etc/shells': '/bin/sh\n',
};

/** Minor numbers of the memory devices. */
const DEVICES: Readonly<Record<string, number>> = {
  null: 3,
  zero: 5,
  full: 7,
  random: 8,
  urandom: 9,
};

const DEV_LINKS: Readonly<Record<string, string>> = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
};

/** Every directory that is there from the start, but for those of /dev, /proc and /sys. */
export const ROOT_DIRECTORIES: readonly string[] = [
  ...DIRECTORIES,
  ...TEMPORARY.map((name) => `/${name}`),
];

/** Every regular file that is there from the start, likewise. */
export const ROOT_FILES: readonly string[] = Object.keys(FILES);

/** rootfs with nothing in it. */
export function createRoot(kernel: InodeSource): Dentry {
  return addDirectory(kernel, null, '', { superBlock: kernel.fileSystems.tmpfs });
}

/** A regular file at an absolute path. */
export interface RootFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** populate_rootfs with `files` beside the usual ones, and the mounts that every system has: /dev, /proc, /sys. */
export function populateRoot(kernel: Kernel, files: readonly RootFile[]): void {
  for (const path of DIRECTORIES) ensureDirectory(kernel, path);
  for (const name of TEMPORARY) {
    const parent = ensureDirectory(kernel, name.split('/').slice(0, -1).join('/'));
    addDirectory(kernel, parent, name.split('/').pop() ?? '', { mode: 0o1777 });
  }
  for (const [path, text] of Object.entries(FILES)) {
    addProgramFile(kernel, path, new TextEncoder().encode(text), 0o644);
  }
  for (const { path, bytes, mode } of files) addProgramFile(kernel, path, bytes, mode);
  populateDev(kernel);
  createProc(kernel);
  createSys(kernel);
}

function populateDev(kernel: Kernel): void {
  const dev = addDirectory(kernel, kernel.root, 'dev', {
    superBlock: kernel.fileSystems.devtmpfs,
  });
  for (const [name, minor] of Object.entries(DEVICES)) {
    const device = makeDevice(1, minor);
    addEntry(kernel, dev, name, {
      mode: FileMode.CHARACTER | 0o666,
      operations: deviceOperations(FileMode.CHARACTER, device),
      device,
    });
  }
  for (const [name, target] of Object.entries(DEV_LINKS)) addLink(kernel, dev, name, target);
  addDirectory(kernel, dev, 'shm', { mode: 0o1777, superBlock: kernel.fileSystems.tmpfs });
}

/** Puts a file at an absolute path, with the directories above it; one that is there is replaced. */
export function addProgramFile(
  kernel: Kernel,
  path: string,
  bytes: Uint8Array,
  mode: number,
): Dentry {
  const names = path.split('/').filter((name) => name !== '');
  const name = names.pop() ?? '';
  const parent = ensureDirectory(kernel, names.join('/'));
  parent.children?.delete(name);
  return addFile(kernel, parent, name, { path, bytes, mode });
}
