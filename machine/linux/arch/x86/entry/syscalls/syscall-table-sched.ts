/** The calls about scheduling and sleeping, after Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl. */
import type { SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import {
  sysGetpriority,
  sysSchedGetaffinity,
  sysSchedGetattr,
  sysSchedGetparam,
  sysSchedGetPriorityMax,
  sysSchedGetPriorityMin,
  sysSchedGetscheduler,
  sysSchedRrGetInterval,
  sysSchedSetaffinity,
  sysSchedSetattr,
  sysSchedSetparam,
  sysSchedSetscheduler,
  sysSetpriority,
} from '../../../../kernel/sched/syscalls.ts';
import { sysClockNanosleep, sysNanosleep } from '../../../../kernel/time/nanosleep.ts';
import type { Handled } from './syscall-table.ts';

export const SCHED_CALLS: Partial<Record<SyscallName, Handled>> = {
  nanosleep: [sysNanosleep],
  clock_nanosleep: [sysClockNanosleep, 'CPU clocks'],
  sched_setaffinity: [sysSchedSetaffinity],
  sched_getaffinity: [sysSchedGetaffinity],
  sched_setscheduler: [sysSchedSetscheduler],
  sched_getscheduler: [sysSchedGetscheduler],
  sched_setparam: [sysSchedSetparam],
  sched_getparam: [sysSchedGetparam],
  sched_setattr: [sysSchedSetattr, 'utilisation clamps'],
  sched_getattr: [sysSchedGetattr, 'utilisation clamps'],
  sched_get_priority_max: [sysSchedGetPriorityMax],
  sched_get_priority_min: [sysSchedGetPriorityMin],
  sched_rr_get_interval: [sysSchedRrGetInterval],
  getpriority: [sysGetpriority, 'process groups and users: the caller stands for them'],
  setpriority: [sysSetpriority, 'process groups and users: the caller stands for them'],
};
