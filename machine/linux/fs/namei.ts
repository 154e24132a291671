/**
 * Paths, after Linux 6.1 fs/namei.c: a small in-memory root whose entries are listed in ROOT and in
 * Kernel.files. Omits: symbolic links but /proc/self/exe, permissions, mount points.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { FileMode } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';

/** What a path names. */
export interface FoundPath {
  readonly kind: 'null' | 'zero' | 'regular' | 'directory';
  readonly mode: number;
  readonly inodeNumber: number;
  readonly bytes: number;
  readonly device: number;
}

const directory = (inodeNumber: number): FoundPath => ({
  kind: 'directory',
  mode: FileMode.DIRECTORY | 0o755,
  inodeNumber,
  bytes: 4096,
  device: 0,
});

const device = (kind: 'null' | 'zero', inodeNumber: number, number: number): FoundPath => ({
  kind,
  mode: FileMode.CHARACTER | 0o666,
  inodeNumber,
  bytes: 0,
  device: number,
});

const ROOT: Readonly<Record<string, FoundPath>> = {
  '/': directory(2),
  '/dev': directory(3),
  '/proc': directory(4),
  '/proc/self': directory(5),
  '/tmp': directory(6),
  '/dev/null': device('null', 7, 0x103),
  '/dev/zero': device('zero', 8, 0x105),
};

/** First inode number of Kernel.files. */
const FIRST_FILE_INODE = 64;

/** The instructions of walking `components` names from the root, all in the dentry cache. */
export function pathWalkCost(kernel: Kernel, components: number): void {
  const { cpu } = kernel;
  cpu.run(F.filename_lookup, 81);
  cpu.run(F.path_lookupat, 60);
  cpu.run(F.path_init, components > 0 ? 56 : 85);
  rcuReadLock(cpu);
  cpu.run(F.link_path_walk, components > 0 ? 60 + 137 * components : 33);
  for (let i = 0; i < components; i++) {
    cpu.run(F.walk_component, 28);
    cpu.run(F.inode_permission, 33);
    cpu.run(F.generic_permission, 39);
    cpu.run(F.security_inode_permission, 26);
    cpu.indirect(1);
    cpu.run(F.bpf_lsm_inode_permission, 3);
    cpu.run(F.lookup_fast, 26);
    cpu.run(F.__d_lookup_rcu, 51);
    cpu.run(F.step_into, 56);
  }
  cpu.run(F.complete_walk, 30);
  cpu.run(F.terminate_walk, 27);
  rcuReadUnlock(cpu);
}

/** What `path` names, or null; relative paths start at the root. */
export function lookupPath(kernel: Kernel, path: string): FoundPath | null {
  const absolute = normalize(path);
  pathWalkCost(kernel, absolute.split('/').length - 1);
  return findPath(kernel, absolute);
}

export function findPath(kernel: Kernel, absolute: string): FoundPath | null {
  if (Object.hasOwn(ROOT, absolute)) return ROOT[absolute];
  const target = absolute === '/proc/self/exe' ? kernel.executable.path : absolute;
  const file = kernel.files.get(target);
  if (file === undefined) return null;
  const inodeNumber = FIRST_FILE_INODE + [...kernel.files.keys()].indexOf(target);
  return {
    kind: 'regular',
    mode: FileMode.REGULAR | 0o755,
    inodeNumber,
    bytes: file.bytes.length,
    device: 0,
  };
}

/** An absolute path without `.`, `..` and empty components. */
export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
