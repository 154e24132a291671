/** What a pipe is, after Linux 6.1 include/linux/pipe_fs_i.h. */
import { type WaitQueueHead, waitQueueHead } from '../kernel/sched/wait.ts';

/** PIPE_DEF_BUFFERS */
export const PIPE_SLOTS = 16;

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
  /** Openings of each side so far, for those who wait for the other side of a FIFO. */
  readerCount = 0;
  writerCount = 0;
  /** Somebody polls it: writes wake the readers even when they had something to read (EPOLLET). */
  pollUsage = false;
  /** Frames kept for the next write: tmp_page. */
  readonly spare: number[] = [];
  readonly readWait: WaitQueueHead;
  readonly writeWait: WaitQueueHead;

  constructor(
    /** Physical address of the object. */
    readonly address: number,
    /** Buffers that it may have. */
    public slots = PIPE_SLOTS,
    /** 1 or 2: what is written goes to the lab, whose reader always keeps up. */
    readonly sink: 0 | 1 | 2 = 0,
  ) {
    this.readWait = waitQueueHead(address + 64);
    this.writeWait = waitQueueHead(address + 96);
  }
}

export const isPipe = (data: unknown): data is PipeInode => data instanceof PipeInode;
