/** What a pipe is, after Linux 6.1 include/linux/pipe_fs_i.h. */

/** A page of the pipe and what of it is filled. */
export interface PipeBuffer {
  readonly frame: number;
  offset: number;
  length: number;
}

/** pipe_inode_info */
export class PipeInode {
  /** Oldest first. */
  readonly buffers: PipeBuffer[] = [];
  readers = 0;
  writers = 0;
  /** Opens of each side ever, for those who wait for the other side. */
  readerCount = 0;
  writerCount = 0;
  /** Frames kept for the next write: tmp_page. */
  readonly spare: number[] = [];

  constructor(
    /** Physical address of the object. */
    readonly address: number,
    /** Buffers that it may have. */
    public slots: number,
    /** 1 or 2: what is written goes to the lab, whose reader always keeps up. */
    readonly sink: 0 | 1 | 2 = 0,
  ) {}
}

export const isPipe = (data: unknown): data is PipeInode => data instanceof PipeInode;
