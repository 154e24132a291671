/** What directories and symbolic links in memory can do, after Linux 6.1 fs/libfs.c. */
import type { FileOperations } from '../include/linux/fs.ts';

/** simple_dir_operations: getdents64 is in readdir.ts. */
export const DIRECTORY: FileOperations = {
  kind: 'directory',
  stream: false,
  plain: false,
  size: () => Number.MAX_SAFE_INTEGER,
};

export const SYMLINK: FileOperations = { kind: 'device', stream: false, plain: false };

/** Type of an entry in a directory listing, by inode mode: DT_DIR and so on. */
export const entryType = (mode: number): number => (mode >>> 12) & 15;
