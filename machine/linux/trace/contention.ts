/** The contention_begin and contention_end tables: a lock that is waited for knows its CPU only. */
import type { Kernel } from '../init/kernel.ts';
import { tracePoint } from './points.ts';
import { Point } from './points-specs.ts';

/** LCB_F_SPIN */
const SPINS = 1;

/** Records waiting for locks, if anybody wants to know. */
export function traceContention(kernel: Kernel): void {
  const { points } = kernel.trace;
  if (points[Point.CONTENTION_BEGIN] === null && points[Point.CONTENTION_END] === null) return;
  for (const { cpu } of kernel.rqs) {
    cpu.onContention = (lock, isOver) => {
      if (isOver) tracePoint(kernel, Point.CONTENTION_END, lock, 0);
      else tracePoint(kernel, Point.CONTENTION_BEGIN, lock, SPINS);
    };
  }
}
