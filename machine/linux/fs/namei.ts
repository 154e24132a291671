/**
 * Walking paths, after Linux 6.1 fs/namei.c: directories, `..`, symbolic links, trailing slashes.
 * Omits: mount points as such (other file systems are part of one tree), walks that have to sleep.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { type Dentry, FileMode } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { invalidate } from './dcache.ts';
import { fdgetRaw } from './file.ts';
import { isDirectory, isRegular, isSymlink } from './inode.ts';

/** MAXSYMLINKS */
const LINKS_MAX = 40;
const NAME_MAX = 255;
const PATH_MAX = 4096;

const PATH_INIT: Steps = [
  [F.path_init, 56],
  [F.__rcu_read_lock, 6],
  [F.nd_jump_root, 38],
  [F.set_root, 35],
];
const COMPLETE_WALK: Steps = [
  [F.complete_walk, 30],
  [F.try_to_unlazy, 31],
  [F.legitimize_links, 19],
  [F.__legitimize_path, 22],
  [F.__legitimize_mnt, 17],
  [F.lockref_get_not_dead, 24],
  [F.__rcu_read_unlock, 8],
];
const TERMINATE_OPEN: Steps = [
  [F.terminate_walk, 27],
  [F.dput, 22],
  [F.__cond_resched, 6],
  [F.__rcu_read_lock, 6],
  [F.lockref_put_or_lock, 20],
  [F.__rcu_read_unlock, 8],
  [F.mntput, 9],
  [F.mntput_no_expire, 30],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
];
const PARENT_END: Steps = [
  [F.terminate_walk, 27],
  [F.dput, 4],
  [F.mntput, 4],
];
const PUT_PATH: Steps = [
  [F.path_put, 8],
  [F.dput, 22],
  [F.__cond_resched, 6],
  [F.__rcu_read_lock, 6],
  [F.lockref_put_or_lock, 20],
  [F.__rcu_read_unlock, 8],
  [F.mntput, 9],
  [F.mntput_no_expire, 30],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
];
const INODE_PERMISSION: Steps = [
  [F.inode_permission, 33],
  [F.generic_permission, 39],
  [F.security_inode_permission, 26, 1, 1],
  [F.bpf_lsm_inode_permission, 3],
];

/** Directories whose entries come and go by themselves (/proc). */
export interface DynamicDirectory {
  lookup(kernel: Kernel, directory: Dentry, name: string): Dentry | null;
  names(kernel: Kernel): string[];
  /** d_revalidate: whether what an entry stands for has gone, though its name may be back. */
  isStale(kernel: Kernel, entry: Dentry): boolean;
  /** mkdir in it, where the file system has its own meaning for that. Returns 0 or an error. */
  mkdir?(kernel: Kernel, directory: Dentry, name: string): number;
  /** rmdir of this directory, likewise. */
  rmdir?(kernel: Kernel, directory: Dentry): number;
}

export const dynamicOf = ({ inode }: Dentry): DynamicDirectory | null =>
  isDirectory(inode) ? (inode.data as DynamicDirectory | null) : null;

/** Where a walk has ended: the directory and what the last name is in it. */
export interface WalkedPath {
  readonly parent: Dentry;
  /** Last component; `.`, `..` and `` (for /) name `dentry` itself. */
  readonly name: string;
  /** null when there is no such name. */
  readonly dentry: Dentry | null;
  /** The path ended in a slash: only a directory will do. */
  readonly slash: boolean;
}

export interface WalkOptions {
  /** Follow a symbolic link that the last component is. Default: true. */
  readonly follow?: boolean;
}

/** Where relative paths begin: a directory, or -EBADF, -ENOTDIR. */
export function walkBase(kernel: Kernel, dirfd: number, path: string): Dentry | number {
  const { fs } = kernel.current;
  if (path.startsWith('/')) return fs.root;
  if (dirfd === At.FDCWD) return fs.pwd;
  const file = fdgetRaw(kernel, dirfd);
  if (file === null) return -Errno.EBADF;
  return isDirectory(file.inode) ? file.dentry : -Errno.ENOTDIR;
}

/** One walk: counts what it goes through, then charges for it. */
class Walker {
  components = 0;
  private links = 0;

  constructor(private readonly kernel: Kernel) {}

  /** The whole path, as far as its last component, which is looked up but not entered. */
  walk(base: Dentry, path: string, follow: boolean): WalkedPath | number {
    const names = path.split('/').filter((name) => name !== '');
    const slash = path.endsWith('/') && names.length > 0;
    const start = path.startsWith('/') ? this.kernel.current.fs.root : base;
    let directory = start;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const last = i === names.length - 1;
      if (name.length > NAME_MAX) return -Errno.ENAMETOOLONG;
      if (!isDirectory(directory.inode)) return -Errno.ENOTDIR;
      if (!last) this.components++;
      const found = this.step(directory, name);
      if (found === null) {
        return last ? { parent: directory, name, dentry: null, slash } : -Errno.ENOENT;
      }
      if (isSymlink(found.inode) && (!last || follow || slash)) {
        const target = this.readLink(found);
        if (typeof target === 'number') return target;
        const jump = typeof target !== 'string';
        const rest = [...(jump ? ['.'] : [target]), ...names.slice(i + 1)].join('/');
        if (jump && last)
          return { parent: target.parent, name: target.name, dentry: target, slash };
        return this.walk(jump ? target : directory, slash ? `${rest}/` : rest, follow);
      }
      if (last) return { parent: directory, name, dentry: found, slash };
      directory = found;
    }
    return { parent: start, name: '', dentry: start, slash };
  }

  private step(directory: Dentry, name: string): Dentry | null {
    if (name === '.') return directory;
    if (name === '..')
      return directory === this.kernel.current.fs.root ? directory : directory.parent;
    const { cpu } = this.kernel;
    const dynamic = dynamicOf(directory);
    const known = directory.children?.get(name);
    const stale = known !== undefined && dynamic?.isStale(this.kernel, known) === true;
    if (stale) invalidate(this.kernel, known);
    const found =
      (stale ? undefined : known) ?? dynamic?.lookup(this.kernel, directory, name) ?? null;
    if (found !== null) {
      cpu.read(found.address);
      cpu.read(found.inode.address);
    }
    return found;
  }

  private readLink({ inode }: Dentry): string | Dentry | number {
    if (++this.links > LINKS_MAX) return -Errno.ELOOP;
    const target = typeof inode.target === 'function' ? inode.target(this.kernel) : inode.target;
    return target ?? -Errno.ELOOP;
  }
}

/** link_path_walk and, for each directory on the way, its permission check and look-up. */
function walkCost(kernel: Kernel, components: number): void {
  const { cpu } = kernel;
  runSteps(cpu, PATH_INIT);
  cpu.run(F.link_path_walk, 118 + 79 * components);
  cpu.stack(448, 2);
  const checks = components + 1;
  cpu.runCalls(F.inode_permission, 33 * checks, checks);
  cpu.runCalls(F.generic_permission, 39 * checks, checks);
  cpu.runCalls(F.security_inode_permission, 26 * checks, checks);
  cpu.indirect(checks);
  cpu.runCalls(F.bpf_lsm_inode_permission, 3 * checks, checks);
  cpu.runCalls(F.walk_component, 28 * components, components);
  lookupCost(kernel, components);
}

/** lookup_fast and step_into of names that are there. */
function lookupCost({ cpu }: Kernel, names: number): void {
  cpu.runCalls(F.lookup_fast, 26 * names, names);
  cpu.runCalls(F.__d_lookup_rcu, 51 * names, names);
  cpu.runCalls(F.step_into, 56 * names, names);
}

/** Walks without a charge: for those who charge otherwise, and the kernel itself. */
export function walkQuietly(
  kernel: Kernel,
  base: Dentry,
  path: string,
  options: WalkOptions = {},
): WalkedPath | number {
  return new Walker(kernel).walk(base, path, options.follow ?? true);
}

function walkCharged(
  kernel: Kernel,
  dirfd: number,
  path: string,
  options: WalkOptions,
): WalkedPath | number {
  if (path === '') return -Errno.ENOENT;
  if (path.length >= PATH_MAX) return -Errno.ENAMETOOLONG;
  const base = walkBase(kernel, dirfd, path);
  if (typeof base === 'number') return base;
  const walker = new Walker(kernel);
  const walked = walker.walk(base, path, options.follow ?? true);
  walkCost(kernel, walker.components);
  return walked;
}

/** filename_lookup: what the path names, held by nobody, or an error. */
export function filenameLookup(
  kernel: Kernel,
  dirfd: number,
  path: string,
  options: WalkOptions = {},
): Dentry | number {
  const { cpu } = kernel;
  cpu.run(F.filename_lookup, 81);
  cpu.run(F.path_lookupat, 64);
  const walked = walkCharged(kernel, dirfd, path, options);
  if (typeof walked === 'number') return walked;
  const { dentry, slash } = walked;
  if (dentry === null) return -Errno.ENOENT;
  if (slash && !isDirectory(dentry.inode)) return -Errno.ENOTDIR;
  cpu.run(F.walk_component, 31);
  lookupCost(kernel, 1);
  runSteps(cpu, COMPLETE_WALK);
  runSteps(cpu, PARENT_END);
  return dentry;
}

const EMPTY_PATH: Steps = [
  [F.filename_lookup, 81],
  [F.path_lookupat, 60],
  [F.path_init, 85],
  [F.__fdget_raw, 3],
  [F.__fget_light, 34],
  [F.mntget, 7],
  [F.lockref_get, 14],
  [F.link_path_walk, 33],
  [F.walk_component, 23],
  [F.handle_dots, 27],
  [F.complete_walk, 18],
];

/** The look-up of an empty path: it names the descriptor itself. */
export function emptyPathCost(kernel: Kernel): void {
  runSteps(kernel.cpu, EMPTY_PATH);
  runSteps(kernel.cpu, PARENT_END);
}

/** path_put: what every look-up ends with. */
export function putPath(kernel: Kernel): void {
  runSteps(kernel.cpu, PUT_PATH);
}

/** filename_parentat: the directory of a name that is to be made or unmade. */
export function filenameParent(kernel: Kernel, dirfd: number, path: string): WalkedPath | number {
  const { cpu } = kernel;
  cpu.run(F.__filename_parentat, 93);
  cpu.run(F.path_parentat, 40);
  const walked = walkCharged(kernel, dirfd, path, { follow: false });
  runSteps(cpu, COMPLETE_WALK);
  runSteps(cpu, PARENT_END);
  return walked;
}

/** The walk of open: the last component is followed unless O_NOFOLLOW or O_EXCL forbids it. */
export function openWalk(
  kernel: Kernel,
  dirfd: number,
  path: string,
  options: WalkOptions,
): WalkedPath | number {
  return walkCharged(kernel, dirfd, path, options);
}

/** What open pays after the walk to a file that is there. */
export function openFoundCost(kernel: Kernel): void {
  lookupCost(kernel, 1);
  runSteps(kernel.cpu, COMPLETE_WALK);
}

/** terminate_walk of an open. */
export function terminateOpen(kernel: Kernel): void {
  runSteps(kernel.cpu, TERMINATE_OPEN);
}

/** Access as access(2) and exec ask for it: root may read and write all, and execute what anybody may. */
export function inodePermission(kernel: Kernel, { inode }: Dentry, execute: boolean): number {
  runSteps(kernel.cpu, INODE_PERMISSION);
  if (execute && isRegular(inode) && (inode.mode & FileMode.EXECUTE) === 0) return -Errno.EACCES;
  return 0;
}
