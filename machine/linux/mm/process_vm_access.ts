/**
 * process_vm_readv and process_vm_writev, after Linux 6.1 mm/process_vm_access.c: copies between the
 * caller's memory and another process's, page by page. Instructions for each page are an estimate from
 * get_user_pages' counted part (within a third). Omits: ptrace's rules beyond the user's identity.
 */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { High } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { Cap, capable } from '../kernel/capability.ts';
import { importIovec, IovIter, type UserRange } from '../lib/iov_iter.ts';
import { userPage } from './gup.ts';

const PAGE_BYTES = 4096;
/** get_user_pages of one page of another process. */
const PAGE_COST = 210;

/** ptrace_may_access: the same user, or who may trace everybody. */
function mayAccess(kernel: Kernel, task: Task): boolean {
  const { cred } = kernel.current;
  if (task.signal === kernel.current.signal || capable(kernel, Cap.SYS_PTRACE)) return true;
  const other = task.cred;
  const sameUser = [other.euid, other.suid, other.uid].every((id) => id === cred.uid);
  return sameUser && [other.egid, other.sgid, other.gid].every((id) => id === cred.gid);
}

/** process_vm_rw_pages over one range. Returns bytes copied; fewer at a fault on either side. */
function copyRange(
  kernel: Kernel,
  mm: MmStruct,
  iter: IovIter,
  range: UserRange,
  writes: boolean,
): number {
  const { cpu, memory } = kernel;
  let done = 0;
  while (done < range.length && iter.count > 0) {
    const address = range.address + done;
    const inPage = address % PAGE_BYTES;
    const wanted = Math.min(PAGE_BYTES - inPage, range.length - done, iter.count);
    cpu.run(F.process_vm_rw_single_vec, PAGE_COST);
    const page = userPage(kernel, mm, address, writes);
    if (page < 0) return done;
    const physical = page + inPage;
    cpu.stream(writes ? 'write' : 'read', physical, High.DIRECT, wanted);
    const bytes = memory.bytes.subarray(physical, physical + wanted);
    const copied = writes ? iter.copyFrom(kernel, bytes) : iter.copyTo(kernel, bytes);
    if (writes) memory.written(physical);
    done += copied;
    if (copied < wanted) return done;
  }
  return done;
}

/** process_vm_rw: pid, local ranges, remote ranges, flags. */
function transfer(kernel: Kernel, args: SyscallArguments, writes: boolean): number {
  kernel.cpu.run(F.process_vm_rw, 120);
  const [pid, remotePointer, remoteCount] = [args.int(0), args.unsigned(3), args.int(4)];
  if (args.low(5) !== 0) return -Errno.EINVAL;
  const local = importIovec(kernel, args.unsigned(1), args.int(2));
  if (typeof local === 'number') return local;
  const iter = new IovIter(local);
  if (iter.count === 0) return 0;
  const remote = importIovec(kernel, remotePointer, remoteCount);
  if (typeof remote === 'number') return remote;
  const task = kernel.pids.tasks.get(pid);
  const mm = task?.mm;
  if (task === undefined || mm === null || mm === undefined) return -Errno.ESRCH;
  if (!mayAccess(kernel, task)) return -Errno.EPERM;
  let done = 0;
  for (const range of remote) {
    if (iter.count === 0) break;
    const wanted = Math.min(range.length, iter.count);
    const copied = copyRange(kernel, mm, iter, range, writes);
    done += copied;
    if (copied < wanted) return done > 0 ? done : -Errno.EFAULT;
  }
  return done;
}

export const sysProcessVmReadv = (kernel: Kernel, args: SyscallArguments): number =>
  transfer(kernel, args, false);

export const sysProcessVmWritev = (kernel: Kernel, args: SyscallArguments): number =>
  transfer(kernel, args, true);
