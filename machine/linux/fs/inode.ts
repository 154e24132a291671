/**
 * Inodes and their times, after Linux 6.1 fs/inode.c. Times are those of the last tick, as Linux's
 * coarse clock gives them; access times follow relatime. Omits: inode caches and hashing, write-back.
 */
import { ImageData } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import {
  type FileOperations,
  FileMode,
  type Inode,
  type LinkTarget,
  type SuperBlock,
} from '../include/linux/fs.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { wallCoarseNs } from '../kernel/time/timekeeping.ts';
import { callRcu } from '../lib/maple_tree.ts';
import type { PageSource } from '../mm/page_alloc.ts';
import { dropPages } from '../mm/shmem-pages.ts';

const DAY_NS = 86_400_000_000_000n;

const NEW_INODE: Steps = [
  [F.shmem_get_inode, 122],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.new_inode, 20],
  [F.alloc_inode, 24, 1, 1],
  [F.shmem_alloc_inode, 9],
  [F.inode_init_always, 80],
  [F.make_kuid, 4],
  [F.map_id_range_down, 41],
  [F.make_kgid, 5],
  [F.map_id_range_down, 41],
  [F.__init_rwsem, 18, 2],
  [F.security_inode_alloc, 29, 1, 1],
  [F.bpf_lsm_inode_alloc_security, 3],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.inode_sb_list_add, 32],
  [F._raw_spin_lock, 7],
  [F.__list_add_valid, 17],
  [F._raw_spin_unlock, 6],
  [F.inode_init_owner, 44],
  [F.get_random_u32, 43],
  [F.mpol_shared_policy_init, 26],
];
const EVICT_START: Steps = [
  [F.iput, 21],
  [F._atomic_dec_and_lock, 16],
];
const EVICT_SHMEM: Steps = [
  [F.shmem_evict_inode, 43],
  [F._raw_spin_lock, 7],
  [F._raw_spin_unlock, 6],
  [F.clear_inode, 23],
  [F.xa_destroy, 60],
  [F._raw_spin_lock_irqsave, 16],
  [F.xas_clear_mark, 42, 3],
  [F._raw_spin_unlock_irqrestore, 10],
];
const DESTROY: Steps = [
  [F.destroy_inode, 26, 1, 1],
  [F.__destroy_inode, 34],
  [F.inode_has_buffers, 7],
  [F.security_inode_free, 36, 1, 3],
  [F.integrity_inode_free, 4],
  [F.hook_inode_free_security, 6],
  [F.bpf_lsm_inode_free_security, 2],
  [F.bpf_inode_storage_free, 19],
  [F.__rcu_read_lock, 6],
  [F.__rcu_read_unlock, 8],
  [F.__fsnotify_inode_delete, 3],
  [F.fsnotify_destroy_marks, 23],
  [F.fsnotify_grab_connector, 19],
  [F.__srcu_read_lock, 8],
  [F.__srcu_read_unlock, 6],
  [F.locks_free_lock_context, 13],
  [F.shmem_destroy_inode, 7],
  [F.mpol_free_shared_policy, 4],
];

/** current_time: the wall clock of the last tick. */
export function currentTime(kernel: Kernel): bigint {
  const { cpu } = kernel;
  cpu.run(F.current_time, 44);
  cpu.run(F.ktime_get_coarse_real_ts64, 15);
  cpu.readImage(ImageData.TK_CORE);
  return wallCoarseNs(kernel);
}

/** What making an inode needs: all of it exists before there is a task. */
export type InodeSource = PageSource & Pick<Kernel, 'caches' | 'timekeeper' | 'fileSystems'>;

/** What a new inode is. */
export interface InodeShape {
  readonly mode: number;
  readonly operations: FileOperations;
  readonly device?: number;
  readonly mapping?: MappedFile;
  readonly target?: LinkTarget;
  readonly data?: unknown;
}

/** An inode without a charge: boot, and objects whose makers charge for them. Null without memory. */
export function makeInode(
  kernel: InodeSource,
  superBlock: SuperBlock,
  shape: InodeShape,
): Inode | null {
  const address = kernel.caches.shmemInode.allocateQuietly(kernel);
  if (address < 0) return null;
  superBlock.inodes++;
  const now = wallCoarseNs(kernel);
  return {
    address,
    number: superBlock.nextInode++,
    superBlock,
    mode: shape.mode,
    uid: 0,
    gid: 0,
    links: 0,
    device: shape.device ?? 0,
    accessNs: now,
    modifyNs: now,
    changeNs: now,
    mapping: shape.mapping ?? null,
    target: shape.target ?? null,
    operations: shape.operations,
    data: shape.data ?? null,
    references: 0,
    writers: 0,
  };
}

/** shmem_get_inode */
export function newInode(kernel: Kernel, superBlock: SuperBlock, shape: InodeShape): Inode | null {
  const { cpu, caches } = kernel;
  runSteps(cpu, NEW_INODE);
  caches.shmemInode.allocateCost(kernel, 85);
  caches.inodeSecurity.allocateCost(kernel, 100);
  currentTime(kernel);
  const inode = makeInode(kernel, superBlock, shape);
  if (inode === null) return null;
  for (let line = 0; line < 8; line++) cpu.write(inode.address + line * 64);
  return inode;
}

/** iput: the last reference to an unlinked inode takes it away. */
export function iput(kernel: Kernel, inode: Inode): void {
  inode.references--;
  if (inode.references > 0) {
    kernel.cpu.run(F.iput, 21);
    kernel.cpu.run(F._atomic_dec_and_lock, 16);
    return;
  }
  evict(kernel, inode);
}

/** The pages of a file without a name go; those of a mapped one with its last mapping. */
function dropContents(kernel: Kernel, mapping: MappedFile): void {
  if (mapping.mappings === 0) dropPages(kernel, mapping, 0);
  else {
    mapping.unmapped = (at) => {
      dropPages(at, mapping, 0);
    };
  }
}

/** evict: pages, then the object after a grace period. */
function evict(kernel: Kernel, inode: Inode): void {
  const { cpu, caches } = kernel;
  runSteps(cpu, EVICT_START);
  for (let line = 0; line < 6; line++) cpu.write(inode.address + line * 64);
  runSteps(cpu, EVICT_SHMEM);
  if (inode.mapping !== null) dropContents(kernel, inode.mapping);
  runSteps(cpu, DESTROY);
  callRcu(cpu);
  callRcu(cpu);
  caches.shmemInode.freeQuietly(inode.address);
  inode.superBlock.inodes--;
}

/** touch_atime under relatime: the access time moves once after a change, and once a day. */
export function touchAtime(kernel: Kernel, inode: Inode): void {
  const { cpu } = kernel;
  cpu.run(F.touch_atime, 26);
  cpu.run(F.atime_needs_update, inode.operations.kind === 'pipe' ? 50 : 53);
  cpu.read(inode.address + 64);
  const now = currentTime(kernel);
  if (
    inode.accessNs <= inode.modifyNs ||
    inode.accessNs <= inode.changeNs ||
    now - inode.accessNs >= DAY_NS
  ) {
    inode.accessNs = now;
  }
}

/** file_update_time: modification and change times, when the tick has moved. */
export function fileUpdateTime(kernel: Kernel, inode: Inode): void {
  const { cpu } = kernel;
  const changed = inode.modifyNs !== wallCoarseNs(kernel);
  cpu.run(F.file_update_time, changed ? 52 : 34);
  cpu.read(inode.address + 64);
  const now = currentTime(kernel);
  cpu.run(F.inode_needs_update_time, inode.operations.kind === 'pipe' ? 20 : 25);
  if (!changed) return;
  cpu.run(F.__mnt_want_write_file, 6);
  cpu.run(F.__mnt_want_write, 22);
  cpu.run(F.generic_update_time, 41);
  cpu.run(F.__mark_inode_dirty, 36);
  cpu.run(F.__mnt_drop_write_file, 10);
  cpu.write(inode.address + 64);
  inode.modifyNs = now;
  inode.changeNs = now;
}

/** Stamps a directory whose entries have changed, or an inode whose contents have. */
export function stampChange(kernel: Kernel, inode: Inode): void {
  inode.modifyNs = wallCoarseNs(kernel);
  inode.changeNs = inode.modifyNs;
}

export const isDirectory = (inode: Inode): boolean =>
  (inode.mode & FileMode.TYPE) === FileMode.DIRECTORY;
export const isRegular = (inode: Inode): boolean =>
  (inode.mode & FileMode.TYPE) === FileMode.REGULAR;
export const isSymlink = (inode: Inode): boolean =>
  (inode.mode & FileMode.TYPE) === FileMode.SYMLINK;

/** Bytes that a directory entry adds to its directory's size: BOGO_DIRENT_SIZE. */
const ENTRY_BYTES = 20;

/** i_size; `entries` is the number of a directory's. */
export function inodeSize(inode: Inode, entries = 0): number {
  if (inode.mapping !== null) return inode.mapping.size;
  if (isDirectory(inode))
    return inode.superBlock.type === 'tmpfs' ? (entries + 2) * ENTRY_BYTES : 0;
  return typeof inode.target === 'string' ? new TextEncoder().encode(inode.target).length : 0;
}
