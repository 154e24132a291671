/** getcwd, after Linux 6.1 fs/d_path.c. */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { dentryPath } from './dcache.ts';

const GETCWD: Steps = [
  [F.__do_sys_getcwd, 89],
  [F.__rcu_read_lock, 6],
  [F.prepend_path, 88],
  [F.__rcu_read_lock, 12, 2],
  [F.__rcu_read_unlock, 10, 2],
  [F.__rcu_read_unlock, 8],
  [F.__check_object_size, 73],
  [F.check_stack_object, 9],
  [F.is_vmalloc_addr, 6],
  [F.__virt_addr_valid, 48],
  [F.__check_heap_object, 30],
];

export function sysGetcwd(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, caches, current } = kernel;
  cpu.run(F.__x64_sys_getcwd, 4);
  const buffer = caches.names.allocate(kernel);
  if (buffer < 0) return -Errno.ENOMEM;
  runSteps(cpu, GETCWD);
  const { pwd } = current.fs;
  cpu.read(pwd.address);
  caches.names.free(kernel, buffer);
  if (!pwd.hashed && pwd.parent !== pwd) return -Errno.ENOENT;
  const bytes = new TextEncoder().encode(`${dentryPath(pwd)}\0`);
  if (bytes.length > args.unsigned(1)) return -Errno.ERANGE;

  return copyToUser(kernel, args.unsigned(0), bytes) < 0 ? -Errno.EFAULT : bytes.length;
}

/** d_path: what /proc shows of an open file. */
export function filePath(file: FileStruct): string {
  const { dentry } = file;
  const pseudo = ['pipefs', 'sockfs', 'anon_inodefs'].includes(dentry.inode.superBlock.type);
  if (pseudo) return dentry.name;
  return dentry.hashed || dentry.parent === dentry
    ? dentryPath(dentry)
    : `${dentryPath(dentry.parent)}/${dentry.name} (deleted)`.replace('//', '/');
}
