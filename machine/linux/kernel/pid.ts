/**
 * Numbers of tasks, and process groups and sessions, after Linux 6.1 kernel/pid.c and
 * kernel/exit.c (orphaned groups). Omits: namespaces but the first, pidfds.
 */
import { assert } from '../../core/assert.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { ProcessGroup, Session, SignalStruct, Task } from '../include/linux/sched.ts';
import type { Kernel } from '../init/kernel.ts';

/** Numbers below this are not given out again once the counter has wrapped. */
const RESERVED_PIDS = 300;
/** PIDS_PER_CPU_DEFAULT and PID_MAX_DEFAULT */
const PIDS_PER_CPU = 1024;
const PID_MAX_DEFAULT = 32768;

/** pid_namespace of init: which numbers are taken, by tasks, groups and sessions. */
export class PidNamespace {
  readonly tasks = new Map<number, Task>();
  readonly groups = new Map<number, ProcessGroup>();
  readonly sessions = new Map<number, Session>();
  private last = 0;
  /** Numbers are below this. */
  readonly max: number;

  constructor(cpus: number) {
    this.max = Math.max(PID_MAX_DEFAULT, cpus * PIDS_PER_CPU);
  }

  /** Makes the next number come after `number`. */
  startAfter(number: number): void {
    this.last = number;
  }

  /** idr_alloc_cyclic: the next free number, or -1 when all are taken. */
  allocate(): number {
    for (let tried = 0, next = this.last + 1; tried < this.max; tried++, next++) {
      if (next >= this.max) next = RESERVED_PIDS;
      if (this.isTaken(next)) continue;
      this.last = next;
      return next;
    }
    return -1;
  }

  /** A number stays in use while a group or session is named after it. */
  private isTaken(number: number): boolean {
    return this.tasks.has(number) || this.groups.has(number) || this.sessions.has(number);
  }
}

/** find_vpid and pid_task: the task of that number, leaders standing for their processes. */
export function findTask(kernel: Kernel, pid: number): Task | null {
  const { cpu, pids } = kernel;
  cpu.run(F.find_vpid, 11);
  cpu.run(F.idr_find, 3);
  cpu.run(F.radix_tree_lookup, 3);
  cpu.run(F.__radix_tree_lookup, 65);
  const task = pids.tasks.get(pid) ?? null;
  if (task !== null) cpu.read(task.pidAddress);
  return task;
}

/** A new session and group of `leader`, which leaves its old ones. */
export function startSession(kernel: Pick<Kernel, 'pids'>, leader: SignalStruct, id: number): void {
  const session: Session = { id, leader, groups: new Set() };
  kernel.pids.sessions.set(id, session);
  startGroup(kernel, session, leader, id);
}

/** A new group of `process` in `session`. */
export function startGroup(
  kernel: Pick<Kernel, 'pids'>,
  session: Session,
  process: SignalStruct,
  id: number,
): ProcessGroup {
  const group: ProcessGroup = { id, session, members: new Set() };
  session.groups.add(group);
  kernel.pids.groups.set(id, group);
  joinGroup(kernel, process, group);
  return group;
}

/** change_pid(PIDTYPE_PGID): `process` leaves its group, if it is in one, for `group`. */
export function joinGroup(
  kernel: Pick<Kernel, 'pids'>,
  process: SignalStruct,
  group: ProcessGroup,
): void {
  leaveGroup(kernel, process);
  process.group = group;
  group.members.add(process);
}

/** detach_pid: an empty group is gone, and so is a session without groups. */
export function leaveGroup({ pids }: Pick<Kernel, 'pids'>, process: SignalStruct): void {
  const { group } = process;
  if (!group.members.delete(process) || group.members.size > 0) return;
  const { session } = group;
  pids.groups.delete(group.id);
  session.groups.delete(group);
  if (session.groups.size === 0) pids.sessions.delete(session.id);
}

/** A process that is in no group yet: never looked at, only replaced. */
export function noGroup(): ProcessGroup {
  return { id: 0, session: { id: 0, leader: null, groups: new Set() }, members: new Set() };
}

/**
 * will_become_orphaned_pgrp: no member but `leaving` has a parent in another group of the session.
 */
export function isOrphanedGroup(
  _kernel: Kernel,
  group: ProcessGroup,
  leaving: SignalStruct | null = null,
): boolean {
  for (const process of group.members) {
    const { leader } = process;
    if (process === leaving || (leader.state === 'Z' && process.live === 0)) continue;
    const parent = leader.parent?.signal;
    if (parent === undefined || parent.leader.pid === 1) continue;
    if (parent.group !== group && parent.group.session === group.session) return false;
  }
  return true;
}

/** attach_pid of a task whose number is its own. */
export function attachPid({ pids }: Pick<Kernel, 'pids'>, task: Task): void {
  assert(!pids.tasks.has(task.pid), 'a number names one task');
  pids.tasks.set(task.pid, task);
}

export function detachPid({ pids }: Pick<Kernel, 'pids'>, task: Task): void {
  if (pids.tasks.get(task.pid) === task) pids.tasks.delete(task.pid);
}
