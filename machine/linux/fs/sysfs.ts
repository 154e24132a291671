/** Files of /sys that C libraries and programs read, after Linux 6.1 drivers/base/cpu.c and node.c. */
import type { Dentry } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { createCgroupFs } from '../kernel/cgroup/cgroup-files.ts';
import { addDirectory, addText } from './tree.ts';

/** A list of CPUs as Linux writes it: `0`, `0-3`. */
export const cpuList = (count: number): string => (count === 1 ? '0' : `0-${count - 1}`);

export function createSys(kernel: Kernel): void {
  const sys = addDirectory(kernel, kernel.root, 'sys', {
    superBlock: kernel.fileSystems.sysfs,
  });
  const down = (...names: readonly string[]): Dentry =>
    names.reduce(
      (parent, name) => parent.children?.get(name) ?? addDirectory(kernel, parent, name),
      sys,
    );
  const count = kernel.platform.cpus.length;
  const cpus = down('devices', 'system', 'cpu');
  for (const name of ['online', 'possible', 'present']) {
    addText(kernel, cpus, name, () => `${cpuList(count)}\n`);
  }
  for (let i = 0; i < count; i++) addDirectory(kernel, cpus, `cpu${i}`);
  const nodes = down('devices', 'system', 'node');
  for (const name of ['online', 'possible']) addText(kernel, nodes, name, () => '0\n');
  const node = addDirectory(kernel, nodes, 'node0');
  addText(kernel, node, 'cpulist', () => `${cpuList(count)}\n`);
  createCgroupFs(kernel, down('fs'));
  const huge = down('kernel', 'mm', 'transparent_hugepage');
  addText(kernel, huge, 'enabled', () => 'always madvise [never]\n');
  addText(kernel, huge, 'hpage_pmd_size', () => '2097152\n');
}
