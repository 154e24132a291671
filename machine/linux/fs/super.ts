/** The file systems that are mounted, after Linux 6.1 fs/super.c. Omits: mounting and unmounting. */
import type { SuperBlock } from '../include/linux/fs.ts';

/** Magic numbers of include/uapi/linux/magic.h. */
const MAGIC = {
  tmpfs: 0x01021994,
  devtmpfs: 0x01021994,
  proc: 0x9fa0,
  sysfs: 0x62656572,
  pipefs: 0x50495045,
  anon_inodefs: 0x09041934,
  sockfs: 0x534f434b,
  cgroup2: 0x63677270,
} as const;

type FileSystemType = SuperBlock['type'];

/** Minor numbers of the anonymous devices, in the order in which a boot mounts them. */
const MINOR: Readonly<Record<FileSystemType, number>> = {
  sysfs: 21,
  proc: 22,
  devtmpfs: 5,
  tmpfs: 25,
  pipefs: 14,
  anon_inodefs: 15,
  sockfs: 8,
  cgroup2: 26,
};

const superBlock = (type: FileSystemType): SuperBlock => ({
  type,
  magic: MAGIC[type],
  device: MINOR[type],
  nextInode: 1,
  inodes: 0,
});

/** One of each type: there is one root, one /dev and so on. */
export type FileSystems = Readonly<Record<FileSystemType, SuperBlock>>;

export function createFileSystems(): FileSystems {
  return {
    tmpfs: superBlock('tmpfs'),
    devtmpfs: superBlock('devtmpfs'),
    proc: superBlock('proc'),
    sysfs: superBlock('sysfs'),
    pipefs: superBlock('pipefs'),
    anon_inodefs: superBlock('anon_inodefs'),
    sockfs: superBlock('sockfs'),
    cgroup2: superBlock('cgroup2'),
  };
}
