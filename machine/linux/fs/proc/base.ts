/**
 * Directories of processes in /proc, after Linux 6.1 fs/proc/base.c and fd.c: made when they are first
 * looked up, gone when their process is.
 */
import { readUserBytesOf } from '../../mm/gup.ts';
import type { Dentry } from '../../include/linux/fs.ts';
import type { MmStruct } from '../../include/linux/mm_types.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { addDirectory, addLink, addText, type TextSource } from '../tree.ts';
import { filePath } from '../d_path.ts';
import type { DynamicDirectory } from '../namei.ts';
import { cgroupPath } from '../../kernel/cgroup/cgroup.ts';
import { statLine, statmText, statusText } from './array.ts';
import { MOUNTS } from './mounts.ts';
import { mapsText } from './task_mmu.ts';

/** The tasks that directories stand for. */
const owners = new WeakMap<Dentry, Task>();

const isNumber = (name: string): boolean => /^[1-9]\d{0,9}$/.test(name);

/** Whether a directory stands for a task that is no longer there; names of other kinds stay. */
const isStale = (kernel: Kernel, entry: Dentry): boolean => {
  const task = owners.get(entry);
  return task !== undefined && !kernel.tasks.includes(task);
};

/** Names of processes; a directory of one that has ended is dropped when it is met. */
export const processDirectories: DynamicDirectory = {
  lookup(kernel, proc, name) {
    if (!isNumber(name)) return null;
    const task = kernel.tasks.find(({ pid }) => pid === Number(name));
    if (task === undefined) return null;
    return processDirectory(kernel, proc, task);
  },
  isStale,
  names: (kernel) =>
    kernel.tasks.filter(({ pid, tgid }) => pid > 0 && pid === tgid).map(({ pid }) => String(pid)),
};

const TEXTS: Readonly<Record<string, (task: Task) => TextSource>> = {
  cmdline: (task) => (kernel) => argumentText(kernel, task.mm, 'arg'),
  environ: (task) => (kernel) => argumentText(kernel, task.mm, 'env'),
  comm: (task) => () => `${task.comm}\n`,
  maps: (task) => (kernel) => (task.mm === null ? '' : mapsText(kernel, task.mm)),
  stat: (task) => (kernel) => statLine(kernel, task),
  statm: (task) => () => statmText(task.mm),
  status: (task) => (kernel) => statusText(kernel, task),
  cgroup: (task) => (kernel) => `0::${cgroupPath(kernel.cgroups.of(task)) || '/'}\n`,
  mounts: () => () => MOUNTS,
  oom_score_adj: () => () => '0\n',
};

function processDirectory(kernel: Kernel, parent: Dentry, task: Task): Dentry {
  const directory = addDirectory(kernel, parent, String(task.pid), { mode: 0o555 });
  owners.set(directory, task);
  for (const [name, make] of Object.entries(TEXTS)) addText(kernel, directory, name, make(task));
  addLink(kernel, directory, 'exe', () => task.mm?.exeFile ?? '');
  addLink(kernel, directory, 'cwd', () => task.fs.pwd);
  addLink(kernel, directory, 'root', () => task.fs.root);
  addDirectory(kernel, directory, 'fd', { mode: 0o500, data: descriptors(task) });
  if (task.pid === task.tgid) {
    addDirectory(kernel, directory, 'task', { mode: 0o555, data: threads(task) });
  }
  return directory;
}

/** /proc/PID/fd: magic links to the open files. */
function descriptors(task: Task): DynamicDirectory {
  const open = (): string[] =>
    task.files.fd.flatMap((file, fd) => (file === null ? [] : [String(fd)]));
  return {
    lookup(kernel, directory, name) {
      if (!/^\d+$/.test(name)) return null;
      const fd = Number(name);
      if ((task.files.fd[fd] ?? null) === null) return null;
      return addLink(kernel, directory, name, () => {
        const file = task.files.fd[fd] ?? null;
        if (file === null) return '';
        const { type } = file.inode.superBlock;
        return type === 'anon_inodefs' ? filePath(file) : file.dentry;
      });
    },
    names: open,
    isStale: (_kernel, { name }) => (task.files.fd[Number(name)] ?? null) === null,
  };
}

function threads(leader: Task): DynamicDirectory {
  const mine = (kernel: Kernel): Task[] => kernel.tasks.filter(({ tgid }) => tgid === leader.tgid);
  return {
    lookup(kernel, directory, name) {
      const task = mine(kernel).find(({ pid }) => String(pid) === name);
      return task === undefined ? null : processDirectory(kernel, directory, task);
    },
    names: (kernel) => mine(kernel).map(({ pid }) => String(pid)),
    isStale,
  };
}

/** Arguments or environment, as they are in the process's memory now. */
function argumentText(kernel: Kernel, mm: MmStruct | null, which: 'arg' | 'env'): string {
  if (mm === null) return '';
  const [start, end] = which === 'arg' ? [mm.argStart, mm.argEnd] : [mm.envStart, mm.envEnd];
  const bytes = readUserBytesOf(kernel, mm, start, end - start);
  return new TextDecoder('latin1').decode(bytes);
}
