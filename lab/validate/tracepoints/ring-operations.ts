/** io_uring operations of the tracepoint data: NOPs, one and four at a time. */
import { type PathOperation } from '../paths/operation.ts';
import { nops } from '../paths/operations/io-uring.ts';

export const RING_OPERATIONS: readonly PathOperation[] = [
  { ...nops(1), name: 'io_uring_nop' },
  { ...nops(4), name: 'io_uring_nop_x4' },
];
