/**
 * The files of control groups, after Linux 6.1 kernel/cgroup/cgroup.c (cgroup_base_files),
 * kernel/sched/core.c (cpu_files) and fs/kernfs/file.c: /sys/fs/cgroup. Omits: cpu.pressure, cpu.idle,
 * cgroup.kill, notification.
 */
import { runSteps } from '../../arch/x86/model/steps.ts';
import type { DynamicDirectory } from '../../fs/namei.ts';
import { addDirectory, addControl, addText, type ControlWriter } from '../../fs/tree.ts';
import type { Dentry } from '../../include/linux/fs.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { invalidate } from '../../fs/dcache.ts';
import { nsFromTicks } from '../sched/cputime.ts';
import { setBandwidth, setGroupWeight } from '../sched/groups.ts';
import {
  attachProcess,
  type Cgroup,
  createCgroup,
  destroyCgroup,
  setSubtreeControl,
} from './cgroup.ts';
import { KERNFS_WRITE, MAKE_GROUP, REMOVE_GROUP } from './cgroup-costs.ts';

const NS_PER_US = 1000;
const WEIGHT_MAX = 10_000;
/** min_cfs_quota_period, max_cfs_quota_period */
const PERIOD_US_MIN = 1000;
const PERIOD_US_MAX = 1_000_000;
/** Limit of a quota and a burst, microseconds: the largest that nanoseconds in 44 bits allow. */
const QUOTA_US_MAX = 2 ** 44 / NS_PER_US;

interface CgroupFile {
  readonly show: (kernel: Kernel, cgroup: Cgroup) => string;
  /** Returns 0 or an error; absent: read only. */
  readonly store?: (kernel: Kernel, cgroup: Cgroup, text: string) => number;
  /** The root does not have it. */
  readonly notInRoot?: boolean;
}

/** An unsigned decimal number, or NaN. */
const decimal = (text: string): number => (/^\d+$/.test(text) ? Number(text) : NaN);

const lines = (rows: readonly (readonly [string, number])[]): string =>
  rows.map(([name, value]) => `${name} ${value}\n`).join('');

const pids = (list: readonly number[]): string => list.map((pid) => `${pid}\n`).join('');

const controllers = (enabled: boolean): string => (enabled ? 'cpu\n' : '\n');

function writeProcs(kernel: Kernel, cgroup: Cgroup, text: string): number {
  const pid = decimal(text);
  if (Number.isNaN(pid)) return -Errno.EINVAL;
  const task = pid === 0 ? kernel.current : kernel.tasks.find((each) => each.pid === pid);
  if (task === undefined || task.pid === 0) return -Errno.ESRCH;
  if (task.kthread) return -Errno.EINVAL;
  return attachProcess(kernel, cgroup, task.signal);
}

function writeSubtreeControl(kernel: Kernel, cgroup: Cgroup, text: string): number {
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    if (word.slice(1) !== 'cpu' || !'+-'.includes(word[0])) return -Errno.EINVAL;
    const available = cgroup.parent === null || cgroup.parent.controlsChildren;
    if (word.startsWith('+') && !available) return -Errno.ENOENT;
    const error = setSubtreeControl(kernel, cgroup, word.startsWith('+'));
    if (error !== 0) return error;
  }
  return 0;
}

const BASE_FILES: Readonly<Record<string, CgroupFile>> = {
  'cgroup.type': { notInRoot: true, show: () => 'domain\n' },
  'cgroup.procs': {
    show: (kernel, cgroup) => {
      const found = kernel.cgroups.tasks(kernel, cgroup).filter(({ pid }) => pid > 0);
      return pids([...new Set(found.map(({ tgid }) => tgid))]);
    },
    store: writeProcs,
  },
  'cgroup.threads': {
    show: (kernel, cgroup) => {
      const found = kernel.cgroups.tasks(kernel, cgroup).filter(({ pid }) => pid > 0);
      return pids(found.map(({ pid }) => pid));
    },
  },
  'cgroup.controllers': {
    show: (_kernel, { parent }) => controllers(parent === null || parent.controlsChildren),
  },
  'cgroup.subtree_control': {
    show: (_kernel, { controlsChildren }) => controllers(controlsChildren),
    store: writeSubtreeControl,
  },
  'cgroup.events': {
    notInRoot: true,
    show: (kernel, cgroup) =>
      lines([
        ['populated', kernel.cgroups.isPopulated(kernel, cgroup) ? 1 : 0],
        ['frozen', 0],
      ]),
  },
  'cgroup.stat': {
    show: (_kernel, cgroup) =>
      lines([
        ['nr_descendants', descendants(cgroup)],
        ['nr_dying_descendants', 0],
      ]),
  },
  'cpu.stat': { show: cpuStat },
};

function descendants({ children }: Cgroup): number {
  return children.reduce((sum, child) => sum + 1 + descendants(child), 0);
}

const microseconds = (ns: number): number => Math.floor(ns / NS_PER_US);

/** cpu_stat_show; groups with a quota of their own show how it went. */
function cpuStat(kernel: Kernel, cgroup: Cgroup): string {
  const { user, system } = kernel.cgroups.usageOf(kernel, cgroup);
  const us = (ticks: number): number => microseconds(nsFromTicks(kernel, ticks));
  const rows: [string, number][] = [
    ['usage_usec', us(user + system)],
    ['user_usec', us(user)],
    ['system_usec', us(system)],
  ];
  if (cgroup.queues === null) return lines(rows);
  const { bandwidth } = cgroup.group;
  return lines([
    ...rows,
    ['nr_periods', bandwidth.nrPeriods],
    ['nr_throttled', bandwidth.nrThrottled],
    ['throttled_usec', microseconds(bandwidth.throttledNs)],
    ['nr_bursts', bandwidth.nrBurst],
    ['burst_usec', microseconds(bandwidth.burstTimeNs)],
  ]);
}

function writeWeight(kernel: Kernel, cgroup: Cgroup, text: string): number {
  const weight = decimal(text);
  if (Number.isNaN(weight)) return -Errno.EINVAL;
  if (weight < 1 || weight > WEIGHT_MAX) return -Errno.ERANGE;
  cgroup.weight = weight;
  setGroupWeight(kernel, cgroup.group, weight);
  return 0;
}

/** cpu_max_write: `QUOTA|max [PERIOD]`, microseconds. */
function writeMax(kernel: Kernel, { group }: Cgroup, text: string): number {
  const [quota = '', period] = text.split(/\s+/);
  const periodUs = period === undefined ? group.bandwidth.periodNs / NS_PER_US : decimal(period);
  const quotaUs = quota === 'max' ? Infinity : decimal(quota);
  if (Number.isNaN(periodUs) || Number.isNaN(quotaUs)) return -Errno.EINVAL;
  if (periodUs < PERIOD_US_MIN || periodUs > PERIOD_US_MAX) return -Errno.EINVAL;
  if (quotaUs < PERIOD_US_MIN) return -Errno.EINVAL;
  if (quotaUs !== Infinity && quotaUs > QUOTA_US_MAX) return -Errno.EINVAL;
  const { burstNs } = group.bandwidth;
  const quotaNs = quotaUs * NS_PER_US;
  if (burstNs > quotaNs) return -Errno.EINVAL;
  setBandwidth(kernel, group, { quotaNs, periodNs: periodUs * NS_PER_US, burstNs });
  return 0;
}

/** cpu_cfs_burst_write_u64: at most what the quota is. */
function writeBurst(kernel: Kernel, { group }: Cgroup, text: string): number {
  const burstUs = decimal(text);
  if (Number.isNaN(burstUs)) return -Errno.EINVAL;
  const { quotaNs, periodNs } = group.bandwidth;
  const burstNs = burstUs * NS_PER_US;
  if (quotaNs !== Infinity && (burstNs > quotaNs || burstNs + quotaNs > QUOTA_US_MAX * NS_PER_US)) {
    return -Errno.EINVAL;
  }
  setBandwidth(kernel, group, { quotaNs, periodNs, burstNs });
  return 0;
}

const CPU_FILES: Readonly<Record<string, CgroupFile>> = {
  'cpu.weight': { show: (_kernel, { weight }) => `${weight}\n`, store: writeWeight },
  'cpu.max': {
    show: (_kernel, { group }) => {
      const { quotaNs, periodNs } = group.bandwidth;
      return `${quotaNs === Infinity ? 'max' : quotaNs / NS_PER_US} ${periodNs / NS_PER_US}\n`;
    },
    store: writeMax,
  },
  'cpu.max.burst': {
    show: (_kernel, { group }) => `${group.bandwidth.burstNs / NS_PER_US}\n`,
    store: writeBurst,
  },
};

function addFile(
  kernel: Kernel,
  directory: Dentry,
  cgroup: Cgroup,
  name: string,
  file: CgroupFile,
) {
  const { show, store } = file;
  const source = (at: Kernel): string => show(at, cgroup);
  if (store === undefined) {
    addText(kernel, directory, name, source);
    return;
  }
  const write: ControlWriter = (at, text) => {
    runSteps(at.cpu, KERNFS_WRITE);
    const error = store(at, cgroup, text.trim());
    refresh(at, directory, cgroup);
    return error;
  };
  addControl(kernel, directory, name, source, write);
}

/** css_populate_dir: files of the cpu controller come and go with it. */
function refresh(kernel: Kernel, directory: Dentry, cgroup: Cgroup): void {
  for (const child of cgroup.children) {
    const below = directory.children?.get(child.name);
    if (below === undefined) continue;
    for (const [name, file] of Object.entries(CPU_FILES)) {
      const present = below.children?.get(name);
      if (child.queues !== null && present === undefined) addFile(kernel, below, child, name, file);
      if (child.queues === null && present !== undefined) invalidate(kernel, present);
    }
  }
}

function populate(kernel: Kernel, directory: Dentry, cgroup: Cgroup): void {
  for (const [name, file] of Object.entries(BASE_FILES)) {
    if (file.notInRoot !== true || cgroup.parent !== null)
      addFile(kernel, directory, cgroup, name, file);
  }
  if (cgroup.queues === null) return;
  for (const [name, file] of Object.entries(CPU_FILES))
    addFile(kernel, directory, cgroup, name, file);
}

/** What mkdir and rmdir mean in the directory of a group. */
function directoryOf(cgroup: Cgroup): DynamicDirectory {
  return {
    lookup: () => null,
    names: () => [],
    isStale: () => false,
    mkdir: (kernel, directory, name) => {
      runSteps(kernel.cpu, MAKE_GROUP);
      const made = createCgroup(kernel, cgroup, name);
      if (typeof made === 'number') return made;
      addCgroup(kernel, directory, made);
      return 0;
    },
    rmdir: (kernel, dentry) => {
      const error = destroyCgroup(kernel, cgroup);
      if (error !== 0) return error;
      runSteps(kernel.cpu, REMOVE_GROUP);
      dentry.parent.inode.links--;
      invalidate(kernel, dentry);
      return 0;
    },
  };
}

function addCgroup(kernel: Kernel, parent: Dentry, cgroup: Cgroup): void {
  const directory = addDirectory(kernel, parent, cgroup.name, { data: directoryOf(cgroup) });
  populate(kernel, directory, cgroup);
}

/** Mounts the hierarchy as a directory named cgroup. */
export function createCgroupFs(kernel: Kernel, parent: Dentry): void {
  const { cgroups, fileSystems } = kernel;
  const directory = addDirectory(kernel, parent, 'cgroup', {
    superBlock: fileSystems.cgroup2,
    data: directoryOf(cgroups.root),
  });
  populate(kernel, directory, cgroups.root);
}
