/**
 * The end of a process, after Linux 6.1 kernel/exit.c: the address space goes, the descriptors
 * close, the status stays for the parent. Omits: threads, reparenting, wait (init reaps at once).
 */
import { loadAddressSpace } from '../arch/x86/mm/tlbflush.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';
import { MachineBug } from '../../core/assert.ts';
import { schedule } from './sched/core.ts';
import { exitMmap } from '../mm/exit_mmap.ts';
import { traceSyscall } from '../trace/syscalls.ts';
import { traceProcessExit } from '../trace/sched.ts';
import { mutexLock, mutexUnlock } from './locking/mutex.ts';
import { downRead, upRead } from './locking/rwsem.ts';
import { spinLockIrq, spinUnlockIrq } from './locking/spinlock.ts';
import { putFiles } from '../fs/file.ts';
import { putFs } from '../fs/fs_struct.ts';

/** do_group_exit with a wait status: exit code << 8, or a signal number. */
export function* doGroupExit(kernel: Kernel, status: number): Sleeping<never> {
  const { cpu, current } = kernel;
  cpu.run(F.do_group_exit, 30);
  spinLockIrq(cpu, current.signal.address);
  cpu.run(F.zap_other_threads, 26);
  spinUnlockIrq(cpu);
  return yield* doExit(kernel, status);
}

/** The task ends: this never returns. */
export function* doExit(kernel: Kernel, status: number): Sleeping<never> {
  const { cpu, current } = kernel;
  cpu.run(F.do_exit, 263);
  cpu.stack(192, 2);
  current.exitCode = status;
  cpu.run(F.exit_signals, 36);
  cpu.run(F.acct_collect, 203);
  downRead(cpu, current.address + 2048);
  upRead(cpu, current.address + 2048);
  exitMm(kernel);
  cpu.run(F.exit_files, 20);
  putFiles(kernel, current.files);
  putFs(kernel, current.fs);
  cpu.run(F.exit_notify, 120);
  current.state = 'Z';
  current.exitTick = cpu.now;
  traceProcessExit(kernel);
  const { call } = current;
  if (call !== null) traceSyscall(kernel, call.arguments, call.number, call.begin, 0);
  if (current === kernel.target) kernel.ended = true;
  yield* schedule(kernel);
  throw new MachineBug('a task that has ended runs');
}

/** exit_mm: robust list and clear_child_tid, then the address space itself. */
function exitMm(kernel: Kernel): void {
  const { cpu, current } = kernel;
  const { mm } = current;
  if (mm === null) return;
  cpu.run(F.exit_mm_release, 11);
  cpu.run(F.futex_exit_release, 22);
  mutexLock(cpu, current.address + 2112);
  mutexUnlock(cpu);
  cpu.run(F.mm_release, 19);
  cpu.run(F.mmput, 9);
  cpu.run(F.__mmput, 42);
  exitMmap(kernel, mm);
  current.mm = null;
  loadAddressSpace(kernel, null);
  kernel.platform.code.dropCodeSpace(mm.address);
  kernel.caches.mm.free(kernel, mm.address);
}
