/** Open files, after Linux 6.1 include/linux/fs.h: what each kind of file can do. */
import type { MappedFile } from './mm_types.ts';

export const enum FileMode {
  SOCKET = 0o140000,
  REGULAR = 0o100000,
  CHARACTER = 0o020000,
  FIFO = 0o010000,
  DIRECTORY = 0o040000,
}

export type FileKind = 'null' | 'zero' | 'pipe-in' | 'pipe-out' | 'regular';

/** struct file with what the model keeps of its inode. */
export interface FileStruct {
  readonly kind: FileKind;
  readonly path: string;
  /** Physical addresses of struct file and struct inode. */
  readonly address: number;
  readonly inode: number;
  readonly inodeNumber: number;
  readonly mode: number;
  /** O_ACCMODE and status bits. */
  readonly flags: number;
  /** For regular files. */
  readonly contents: MappedFile | null;
  /** 1 or 2 for the console's two sinks. */
  readonly sink: number;
  position: number;
  /** Bytes in the pipe's last page, which a small write can be merged into. */
  pipeFill: number;
}
