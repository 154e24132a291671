/** /proc/mounts, after Linux 6.1 fs/proc_namespace.c: what init/initramfs.ts mounts. */
export const MOUNTS = [
  'tmpfs / tmpfs rw,relatime 0 0',
  'devtmpfs /dev devtmpfs rw,relatime 0 0',
  'tmpfs /dev/shm tmpfs rw,relatime 0 0',
  'proc /proc proc rw,relatime 0 0',
  'sysfs /sys sysfs rw,relatime 0 0',
  'cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0',
  '',
].join('\n');
