/** Time-outs of poll and select from user memory, after Linux 6.1 fs/select.c (poll_select_set_timeout). */
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';

const NSEC_PER_SEC = 1e9;
const NSEC_PER_USEC = 1000;

/** Seconds and a fraction, as nanoseconds; Infinity without an address, -EFAULT, -EINVAL. */
function readTime(kernel: Kernel, address: number, scale: number): number {
  if (address === 0) return Infinity;
  const bytes = new Uint8Array(16);
  if (copyFromUser(kernel, address, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const seconds = Number(view.getBigInt64(0, true));
  const fraction = Number(view.getBigInt64(8, true)) * scale;
  kernel.cpu.run(F.poll_select_set_timeout, 25);
  if (seconds < 0 || fraction < 0) return -Errno.EINVAL;
  if (scale === 1 && fraction >= NSEC_PER_SEC) return -Errno.EINVAL;
  return seconds * NSEC_PER_SEC + fraction;
}

export const readTimespec = (kernel: Kernel, address: number): number =>
  readTime(kernel, address, 1);

export const readTimeval = (kernel: Kernel, address: number): number =>
  readTime(kernel, address, NSEC_PER_USEC);
