/** Requests that every file may be asked, after Linux 6.1 include/uapi/asm-generic/ioctls.h. */
import { putUser } from '../arch/x86/lib/usercopy.ts';
import type { Kernel } from '../init/kernel.ts';

export const enum Ioctl {
  FIONREAD = 0x541b,
  FIONBIO = 0x5421,
  FIONCLEX = 0x5450,
  FIOCLEX = 0x5451,
}

/** put_user of an int. */
export function putInt(kernel: Kernel, address: number, value: number): number {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setInt32(0, value, true);
  return putUser(kernel, address, word);
}
