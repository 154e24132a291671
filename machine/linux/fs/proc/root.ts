/** The top of /proc, after Linux 6.1 fs/proc/root.c and the files next to it that describe the system. */
import { MachineBug } from '../../../core/assert.ts';
import type { Dentry } from '../../include/linux/fs.ts';
import type { Kernel } from '../../init/kernel.ts';
import { UTS_NAME } from '../../kernel/sys.ts';
import { monotonicNs, wallNs } from '../../kernel/time/timekeeping.ts';
import { addDirectory, addLink, addText, type TextSource } from '../tree.ts';
import { cpuinfo } from './cpuinfo.ts';
import { processDirectories } from './base.ts';

const PAGE_KIB = 4;
const NSEC_PER_SEC = 1_000_000_000n;
const USER_HZ = 100;

function meminfo(kernel: Kernel): string {
  const total = kernel.memory.pages * PAGE_KIB;
  const free = kernel.buddy.freePages * PAGE_KIB;
  const slab = kernel.caches.all.reduce((sum, { pages }) => sum + pages, 0) * PAGE_KIB;
  const rows: readonly (readonly [string, number])[] = [
    ['MemTotal', total],
    ['MemFree', free],
    ['MemAvailable', free],
    ['Buffers', 0],
    ['Cached', 0],
    ['SwapCached', 0],
    ['Active', 0],
    ['Inactive', 0],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['Dirty', 0],
    ['Writeback', 0],
    ['AnonPages', 0],
    ['Mapped', 0],
    ['Shmem', 0],
    ['Slab', slab],
    ['CommitLimit', Math.floor(total / 2)],
    ['Committed_AS', 0],
  ];
  const lines = rows.map(
    ([name, kib]) => `${`${name}:`.padEnd(16)}${String(kib).padStart(8)} kB\n`,
  );
  return `${lines.join('')}HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n`;
}

const seconds = (ns: bigint): string =>
  `${ns / NSEC_PER_SEC}.${String((ns / 10_000_000n) % 100n).padStart(2, '0')}`;

function stat(kernel: Kernel): string {
  const ticks = (monotonicNs(kernel) * BigInt(USER_HZ)) / NSEC_PER_SEC;
  const line = (name: string): string => `${name} ${ticks} 0 0 0 0 0 0 0 0 0\n`;
  const cpus = kernel.platform.cpus.map((_, i) => line(`cpu${i}`)).join('');
  const boot = (wallNs(kernel) - monotonicNs(kernel)) / NSEC_PER_SEC;
  const running = kernel.tasks.filter(({ state }) => state === 'R').length;
  return `${line('cpu ')}${cpus}intr 0\nctxt 0\nbtime ${boot}\nprocesses ${kernel.tasks.length}\nprocs_running ${running}\nprocs_blocked 0\n`;
}

const TOP: Readonly<Record<string, TextSource>> = {
  cpuinfo,
  meminfo,
  stat,
  uptime: (kernel) => `${seconds(monotonicNs(kernel))} 0.00\n`,
  loadavg: (kernel) =>
    `0.00 0.00 0.00 1/${kernel.tasks.length} ${kernel.tasks[kernel.tasks.length - 1].pid}\n`,
  version: () => `${UTS_NAME.sysname} version ${UTS_NAME.release} ${UTS_NAME.version}\n`,
  filesystems: () =>
    'nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tpipefs\nnodev\tsockfs\n',
  cmdline: ({ config }) =>
    `${config.words
      .filter(({ from }) => from === 'command line')
      .map(({ word, value }) => `${word}=${value}`)
      .join(' ')}\n`,
};

const SYSCTL: Readonly<Record<string, string | TextSource>> = {
  'kernel/ostype': UTS_NAME.sysname,
  'kernel/osrelease': UTS_NAME.release,
  'kernel/hostname': ({ uts }) => `${uts.nodename}\n`,
  'kernel/domainname': ({ uts }) => `${uts.domainname}\n`,
  'kernel/version': UTS_NAME.version,
  'kernel/pid_max': '32768',
  'kernel/threads-max': '32768',
  'kernel/ngroups_max': '65536',
  'kernel/cap_last_cap': '40',
  'vm/overcommit_memory': '0',
  'vm/max_map_count': '65530',
  'vm/mmap_min_addr': '65536',
  'fs/file-max': '9223372036854775807',
  'fs/nr_open': '1048576',
  'fs/pipe-max-size': '1048576',
};

export function createProc(kernel: Kernel): void {
  const proc = addDirectory(kernel, kernel.root, 'proc', {
    mode: 0o555,
    superBlock: kernel.fileSystems.proc,
    data: processDirectories,
  });
  for (const [name, source] of Object.entries(TOP)) addText(kernel, proc, name, source);
  addLink(kernel, proc, 'self', ({ current }) => String(current.tgid));
  addLink(kernel, proc, 'thread-self', ({ current }) => `${current.tgid}/task/${current.pid}`);
  addLink(kernel, proc, 'mounts', 'self/mounts');
  const sys = addDirectory(kernel, proc, 'sys', { mode: 0o555 });
  for (const [path, text] of Object.entries(SYSCTL)) {
    const names = path.split('/');
    const last = names.pop();
    if (last === undefined) throw new MachineBug('a control has a name');
    const parent = names.reduce(
      (at: Dentry, name) =>
        at.children?.get(name) ?? addDirectory(kernel, at, name, { mode: 0o555 }),
      sys,
    );
    addText(kernel, parent, last, typeof text === 'string' ? () => `${text}\n` : text);
  }
}
