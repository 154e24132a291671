/** stat, statm and status of a process, after Linux 6.1 fs/proc/array.c. What is not kept is 0. */
import type { MmStruct } from '../../include/linux/mm_types.ts';
import type { Task } from '../../include/linux/sched.ts';
import type { Kernel } from '../../init/kernel.ts';
import { ticksToNs } from '../../kernel/sched/cputime.ts';
import { slotsOf } from '../file.ts';
import { cpuList } from '../sysfs.ts';

const PAGE_BYTES = 4096;
const PAGE_KIB = 4;
const USER_HZ = 100n;
const NSEC_PER_SEC = 1_000_000_000n;

const STATES: Readonly<Record<Task['state'], string>> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  Z: 'Z (zombie)',
  X: 'X (dead)',
};

const userTicks = (ns: bigint): bigint => (ns * USER_HZ) / NSEC_PER_SEC;

/** The 52 fields of /proc/PID/stat. */
export function statLine(kernel: Kernel, task: Task): string {
  const { mm } = task;
  const parent = task.parent?.tgid ?? 0;
  const start = userTicks(ticksToNs(kernel, task.startTick));
  const run = userTicks(ticksToNs(kernel, kernel.cpu.now - task.startTick));
  const threads = threadsOf(kernel, task);
  const head = `${task.pid} (${task.comm}) ${task.state} ${parent} ${task.tgid} ${task.tgid} 0 -1 4194304`;
  const times = `0 0 0 0 ${run} 0 0 0 20 0 ${threads} 0 ${start}`;
  const memory =
    mm === null
      ? '0 0 18446744073709551615 0 0 0'
      : `${mm.totalVm * PAGE_BYTES} ${mm.rss} 18446744073709551615 ${mm.startCode} ${mm.endCode} ${mm.startStack}`;
  const layout =
    mm === null
      ? '0 0 0 0 0 0 0'
      : [
          mm.startData,
          mm.endData,
          mm.startBrk,
          mm.argStart,
          mm.argEnd,
          mm.envStart,
          mm.envEnd,
        ].join(' ');
  return `${head} ${times} ${memory} 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 ${layout} 0\n`;
}

export function statmText(mm: MmStruct | null): string {
  if (mm === null) return '0 0 0 0 0 0 0\n';
  const text = Math.ceil((mm.endCode - mm.startCode) / PAGE_BYTES);
  return `${mm.totalVm} ${mm.rss} 0 ${text} 0 ${mm.totalVm - text} 0\n`;
}

const threadsOf = (kernel: Kernel, { tgid }: Task): number =>
  kernel.tasks.filter((task) => task.tgid === tgid && task.state !== 'Z' && task.state !== 'X')
    .length;

const mask = (bits: bigint): string => bits.toString(16).padStart(16, '0');

function memoryRows(mm: MmStruct): readonly (readonly [string, string])[] {
  const kib = (pages: number): string => `${String(pages * PAGE_KIB).padStart(8)} kB`;
  return [
    ['VmPeak', kib(mm.totalVm)],
    ['VmSize', kib(mm.totalVm)],
    ['VmHWM', kib(mm.rssMax)],
    ['VmRSS', kib(mm.rss)],
    ['RssAnon', kib(mm.rss)],
    ['VmPTE', kib(mm.tables)],
    ['VmSwap', kib(0)],
  ];
}

export function statusText(kernel: Kernel, task: Task): string {
  const cpus = kernel.platform.cpus.length;
  let ignored = 0n;
  let caught = 0n;
  for (const [signal, { handler }] of task.sighand.actions.entries()) {
    if (signal === 0) continue;
    const bit = 1n << BigInt(signal - 1);
    if (handler === 1n) ignored |= bit;
    else if (handler !== 0n) caught |= bit;
  }
  const rows: readonly (readonly [string, string])[] = [
    ['Name', task.comm],
    ['Umask', task.fs.umask.toString(8).padStart(4, '0')],
    ['State', STATES[task.state]],
    ['Tgid', String(task.tgid)],
    ['Ngid', '0'],
    ['Pid', String(task.pid)],
    ['PPid', String(task.parent?.tgid ?? 0)],
    ['TracerPid', '0'],
    ['Uid', '0\t0\t0\t0'],
    ['Gid', '0\t0\t0\t0'],
    ['FDSize', String(slotsOf(task.files))],
    ['Groups', ''],
    ...(task.mm === null ? [] : memoryRows(task.mm)),
    ['Threads', String(threadsOf(kernel, task))],
    ['SigPnd', mask(task.pending.set)],
    ['SigBlk', mask(task.blocked)],
    ['SigIgn', mask(ignored)],
    ['SigCgt', mask(caught)],
    ['CapEff', '000001ffffffffff'],
    ['NoNewPrivs', '0'],
    ['Seccomp', '0'],
    ['Cpus_allowed', ((1n << BigInt(cpus)) - 1n).toString(16)],
    ['Cpus_allowed_list', cpuList(cpus)],
    ['Mems_allowed_list', '0'],
  ];
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join('');
}
