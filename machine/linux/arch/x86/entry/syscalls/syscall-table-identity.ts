/**
 * The calls about who a task is and what program it runs, after Linux 6.1
 * arch/x86/entry/syscalls/syscall_64.tbl.
 */
import { sysExecve, sysExecveat } from '../../../../fs/exec-syscalls.ts';
import { sysPersonality } from '../../../../kernel/exec_domain.ts';
import {
  sysGetgroups,
  sysGetresgid,
  sysGetresuid,
  sysSetfsgid,
  sysSetfsuid,
  sysSetgid,
  sysSetgroups,
  sysSetregid,
  sysSetresgid,
  sysSetresuid,
  sysSetreuid,
  sysSetuid,
} from '../../../../kernel/cred-syscalls.ts';
import {
  sysGetpgid,
  sysGetpgrp,
  sysGetsid,
  sysSetpgid,
  sysSetsid,
} from '../../../../kernel/pid-syscalls.ts';
import { sysCapget, sysCapset } from '../../../../kernel/capability.ts';
import { sysPidfdOpen, sysPidfdSendSignal } from '../../../../kernel/pidfd.ts';
import { sysSetdomainname, sysSethostname } from '../../../../kernel/utsname.ts';
import { sysSeccomp } from '../../../../kernel/seccomp-syscalls.ts';
import { sysPrctl } from '../../../../kernel/prctl.ts';
import { sysGetegid, sysGeteuid, sysGetgid, sysGetuid } from '../../../../kernel/sys.ts';
import type { SyscallName } from '../../../../include/uapi/asm/unistd-64.ts';
import type { Handled } from './syscall-table.ts';

export const IDENTITY_CALLS: Partial<Record<SyscallName, Handled>> = {
  execve: [sysExecve, 'dynamic programs, set-user-id'],
  execveat: [sysExecveat, 'dynamic programs, set-user-id'],
  prctl: [sysPrctl, 'names, signals of parents, dumps, subreapers, timer slack'],
  capget: [sysCapget],
  capset: [sysCapset, 'the bounding and ambient sets'],
  sethostname: [sysSethostname],
  setdomainname: [sysSetdomainname],
  pidfd_open: [sysPidfdOpen],
  pidfd_send_signal: [sysPidfdSendSignal, 'directories of /proc as descriptors'],
  seccomp: [sysSeccomp, 'listeners and tracers'],
  personality: [sysPersonality, 'flags but ADDR_NO_RANDOMIZE change nothing'],
  getuid: [sysGetuid],
  geteuid: [sysGeteuid],
  getgid: [sysGetgid],
  getegid: [sysGetegid],
  getresuid: [sysGetresuid],
  getresgid: [sysGetresgid],
  setuid: [sysSetuid, 'files are not refused'],
  setgid: [sysSetgid, 'files are not refused'],
  setreuid: [sysSetreuid, 'files are not refused'],
  setregid: [sysSetregid, 'files are not refused'],
  setresuid: [sysSetresuid, 'files are not refused'],
  setresgid: [sysSetresgid, 'files are not refused'],
  setfsuid: [sysSetfsuid, 'files are not refused'],
  setfsgid: [sysSetfsgid, 'files are not refused'],
  getgroups: [sysGetgroups],
  setgroups: [sysSetgroups],
  setpgid: [sysSetpgid],
  getpgid: [sysGetpgid],
  getpgrp: [sysGetpgrp],
  setsid: [sysSetsid],
  getsid: [sysGetsid],
};
