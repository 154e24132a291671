/** Open files as objects, after Linux 6.1 fs/file_table.c and fs/open.c (filp_close). */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { callRcu } from '../lib/maple_tree.ts';

export type FileShape = Omit<FileStruct, 'address' | 'inode' | 'position' | 'pipeFill'>;

/** alloc_empty_file and an inode; untimed parts of opening are charged by the caller. */
export function allocFile(kernel: Kernel, shape: FileShape): FileStruct | null {
  const address = kernel.caches.file.allocate(kernel);
  const inode = kernel.caches.inode.allocate(kernel);
  if (address < 0 || inode < 0) return null;
  return { ...shape, address, inode, position: 0, pipeFill: 0 };
}

/** filp_close and the __fput that task work runs on the way out. */
export function fileClose(kernel: Kernel, file: FileStruct): void {
  const { cpu, caches } = kernel;
  cpu.run(F.filp_close, 29);
  cpu.write(file.address);
  cpu.run(F.dnotify_flush, 16);
  cpu.run(F.locks_remove_posix, 27);
  cpu.run(F.fput, 19);
  cpu.run(F.task_work_add, 19);
  cpu.run(F.task_work_run, 38);
  cpu.run(F.__fput, 87);
  condResched(cpu);
  cpu.run(F.locks_remove_file, 21);
  cpu.run(F.ima_file_free, 14);
  dput(kernel);
  mntput(kernel);
  cpu.run(F.security_file_free, 29);
  callRcu(cpu);
  caches.file.free(kernel, file.address);
  caches.inode.freeQuietly(file.inode);
}

function dput({ cpu }: Kernel): void {
  cpu.run(F.dput, 22);
  condResched(cpu);
  rcuReadLock(cpu);
  cpu.run(F.lockref_put_or_lock, 20);
  rcuReadUnlock(cpu);
}

function mntput({ cpu }: Kernel): void {
  cpu.run(F.mntput, 9);
  cpu.run(F.mntput_no_expire, 30);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
}
