/**
 * Control groups, after Linux 6.1 kernel/cgroup/cgroup.c (unified hierarchy) with the cpu controller of
 * kernel/sched/core.c: a tree of groups, which processes are in which, and when a group has a weight
 * and a quota of its own. Omits: other controllers, threaded groups, namespaces, freezing.
 */
import type { Ticks } from '../../../core/units.ts';
import { runSteps } from '../../arch/x86/model/steps.ts';
import type { SignalStruct, Task } from '../../include/linux/sched.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { PageKind } from '../../mm/mem_map.ts';
import { moveToGroup } from '../sched/change.ts';
import { accountTime } from '../sched/cputime.ts';
import type { TaskGroup } from '../sched/entities.ts';
import { createGroup, setBandwidth } from '../sched/groups.ts';
import { ATTACH } from './cgroup-costs.ts';

/** One frame holds the queues of a group on four CPUs. */
const QUEUES_PER_FRAME = 4;

/** struct cgroup */
export interface Cgroup {
  readonly name: string;
  readonly parent: Cgroup | null;
  readonly children: Cgroup[];
  /** What its tasks are scheduled in: its own group, or that of the nearest ancestor with one. */
  group: TaskGroup;
  /** Block of frames that its own queues lie in. */
  queues: { readonly frame: number; readonly order: number } | null;
  /** cgroup.subtree_control: children have a weight and a quota. */
  controlsChildren: boolean;
  weight: number;
  readonly usage: CgroupUsage;
}

/** Time of tasks that have left, ended or moved, ticks of the core. */
interface CgroupUsage {
  user: Ticks;
  system: Ticks;
}

/** A task in a group other than the root, and what it had used when it came. */
interface Membership {
  readonly cgroup: Cgroup;
  readonly user: Ticks;
  readonly system: Ticks;
}

export const WEIGHT_DEFAULT = 100;

function newCgroup(name: string, parent: Cgroup | null, group: TaskGroup): Cgroup {
  return {
    name,
    parent,
    children: [],
    group,
    queues: null,
    controlsChildren: false,
    weight: WEIGHT_DEFAULT,
    usage: { user: 0, system: 0 },
  };
}

/** The hierarchy of a machine. */
export class Cgroups {
  readonly root: Cgroup;
  private readonly members = new Map<Task, Membership>();

  constructor(rootGroup: TaskGroup) {
    this.root = newCgroup('', null, rootGroup);
  }

  of(task: Task): Cgroup {
    return this.members.get(task)?.cgroup ?? this.root;
  }

  /** Tasks in a group, not those below it, in the order of creation. */
  tasks(kernel: Kernel, cgroup: Cgroup): Task[] {
    return kernel.tasks.filter((task) => !task.exiting && this.of(task) === cgroup);
  }

  isPopulated(kernel: Kernel, cgroup: Cgroup): boolean {
    return (
      kernel.tasks.some((task) => !task.exiting && this.of(task) === cgroup) ||
      cgroup.children.some((child) => this.isPopulated(kernel, child))
    );
  }

  enter(task: Task, cgroup: Cgroup): void {
    const { user, system } = task.usage;
    if (cgroup === this.root) this.members.delete(task);
    else this.members.set(task, { cgroup, user, system });
  }

  /** What the task used here stays with its group and the ones above. */
  leave(task: Task): void {
    const membership = this.members.get(task);
    if (membership === undefined) return;
    const { user, system } = task.usage;
    for (let at: Cgroup | null = membership.cgroup; at !== null; at = at.parent) {
      at.usage.user += user - membership.user;
      at.usage.system += system - membership.system;
    }
    this.members.delete(task);
  }

  /** cgroup_base_stat: the time of a group and all below it. */
  usageOf(kernel: Kernel, cgroup: Cgroup): CgroupUsage {
    accountTime(kernel, kernel.current);
    const sum = { ...cgroup.usage };
    for (const task of kernel.tasks) {
      if (!isWithin(this.of(task), cgroup)) continue;
      const since = this.members.get(task);
      sum.user += task.usage.user - (since?.user ?? 0);
      sum.system += task.usage.system - (since?.system ?? 0);
    }
    return sum;
  }
}

function isWithin(cgroup: Cgroup, ancestor: Cgroup): boolean {
  for (let at: Cgroup | null = cgroup; at !== null; at = at.parent)
    if (at === ancestor) return true;
  return false;
}

export function cgroupPath(cgroup: Cgroup): string {
  return cgroup.parent === null ? '' : `${cgroupPath(cgroup.parent)}/${cgroup.name}`;
}

/** cgroup_post_fork: a child is where its parent is. */
export function cgroupPostFork({ cgroups, current }: Kernel, child: Task): void {
  const cgroup = cgroups.of(current);
  if (cgroup !== cgroups.root) cgroups.enter(child, cgroup);
}

/** cgroup_exit */
export function cgroupExit({ cgroups }: Kernel, task: Task): void {
  cgroups.leave(task);
}

/** cgroup_create: a group without tasks. Returns -ENOMEM when its queues find no room. */
export function createCgroup(kernel: Kernel, parent: Cgroup, name: string): Cgroup | number {
  const cgroup = newCgroup(name, parent, parent.group);
  if (parent.controlsChildren && !giveGroup(kernel, cgroup)) return -Errno.ENOMEM;
  parent.children.push(cgroup);
  return cgroup;
}

/** cgroup_destroy_locked: only an empty group without children goes. */
export function destroyCgroup(kernel: Kernel, cgroup: Cgroup): number {
  const { parent } = cgroup;
  if (parent === null || cgroup.children.length > 0) return -Errno.EBUSY;
  if (kernel.cgroups.isPopulated(kernel, cgroup)) return -Errno.EBUSY;
  takeGroup(kernel, cgroup);
  parent.children.splice(parent.children.indexOf(cgroup), 1);
  return 0;
}

/** cpu_cgroup_css_alloc: a weight and a quota of its own. False without memory. */
function giveGroup(kernel: Kernel, cgroup: Cgroup): boolean {
  const above = cgroup.parent?.group ?? kernel.cgroups.root.group;
  const order = Math.ceil(Math.log2(Math.ceil(kernel.rqs.length / QUEUES_PER_FRAME)));
  const frame = kernel.buddy.allocateBlock(order, PageKind.KERNEL);
  if (frame < 0) return false;
  cgroup.queues = { frame, order };
  cgroup.group = createGroup(kernel, above, cgroup.name, frame * 4096);
  cgroup.weight = WEIGHT_DEFAULT;
  regroup(kernel, cgroup);
  return true;
}

/** cpu_cgroup_css_released: its tasks are scheduled in the group above again. */
function takeGroup(kernel: Kernel, cgroup: Cgroup): void {
  const { queues, parent, group } = cgroup;
  if (queues === null || parent === null) return;
  setBandwidth(kernel, group, { ...group.bandwidth, quotaNs: Infinity });
  cgroup.group = parent.group;
  regroup(kernel, cgroup);
  const { children } = parent.group;
  children.splice(children.indexOf(group), 1);
  const { groups } = kernel.sched;
  groups.splice(groups.indexOf(group), 1);
  group.bandwidth.periodTimer.cancel();
  group.bandwidth.slackTimer.cancel();
  kernel.buddy.freeBlock(queues.frame, queues.order);
  cgroup.queues = null;
}

/** The tasks of a group, and of those below that have no group of their own, follow it. */
function regroup(kernel: Kernel, cgroup: Cgroup): void {
  for (const task of kernel.tasks) {
    if (kernel.cgroups.of(task) === cgroup) moveToGroup(kernel, task, cgroup.group);
  }
  for (const child of cgroup.children) {
    if (child.queues !== null) continue;
    child.group = cgroup.group;
    regroup(kernel, child);
  }
}

/** cgroup_subtree_control_write: whether the children have weights and quotas. */
export function setSubtreeControl(kernel: Kernel, cgroup: Cgroup, enabled: boolean): number {
  const { cgroups } = kernel;
  if (enabled === cgroup.controlsChildren) return 0;
  // No processes in groups that are not leaves.
  if (enabled && cgroup.parent !== null && cgroups.tasks(kernel, cgroup).length > 0) {
    return -Errno.EBUSY;
  }
  if (!enabled && cgroup.children.some(({ controlsChildren }) => controlsChildren)) {
    return -Errno.EBUSY;
  }
  cgroup.controlsChildren = enabled;
  for (const child of cgroup.children) {
    if (!enabled) takeGroup(kernel, child);
    else if (!giveGroup(kernel, child)) return -Errno.ENOMEM;
  }
  return 0;
}

/** cgroup_attach_task: all threads of a process move. */
export function attachProcess(kernel: Kernel, cgroup: Cgroup, process: SignalStruct): number {
  const { cgroups, cpu } = kernel;
  if (cgroup.parent !== null && cgroup.controlsChildren) return -Errno.EBUSY;
  accountTime(kernel, kernel.current);
  for (const task of process.threads) {
    runSteps(cpu, ATTACH);
    cpu.write(task.address + 2560);
    if (task.exiting || cgroups.of(task) === cgroup) continue;
    cgroups.leave(task);
    cgroups.enter(task, cgroup);
    moveToGroup(kernel, task, cgroup.group);
  }
  return 0;
}
