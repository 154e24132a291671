/** The calls about timers, after Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl. */
import { sysTimerfdCreate, sysTimerfdGettime, sysTimerfdSettime } from '../../../../fs/timerfd.ts';
import type { SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import { sysAlarm, sysGetitimer, sysSetitimer } from '../../../../kernel/time/itimer.ts';
import {
  sysTimerCreate,
  sysTimerDelete,
  sysTimerGetoverrun,
  sysTimerGettime,
  sysTimerSettime,
} from '../../../../kernel/time/posix-timer-calls.ts';
import type { Handled } from './syscall-table.ts';

export const TIMER_CALLS: Partial<Record<SyscallName, Handled>> = {
  alarm: [sysAlarm],
  getitimer: [sysGetitimer],
  setitimer: [sysSetitimer],
  timer_create: [sysTimerCreate, 'CPU clocks, alarm clocks'],
  timer_settime: [sysTimerSettime],
  timer_gettime: [sysTimerGettime],
  timer_getoverrun: [sysTimerGetoverrun],
  timer_delete: [sysTimerDelete],
  timerfd_create: [sysTimerfdCreate],
  timerfd_settime: [sysTimerfdSettime, 'cancelling when the clock is set'],
  timerfd_gettime: [sysTimerfdGettime],
};
