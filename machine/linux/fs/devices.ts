/**
 * Opening device files, after Linux 6.1 fs/char_dev.c (chrdev_open) and drivers/char/mem.c (memory_open):
 * which driver a device number means. Omits: drivers other than the memory devices and random.
 */
import { FULL_DEVICE, NULL_DEVICE, ZERO_DEVICE } from '../drivers/char/mem.ts';
import { RANDOM_DEVICE } from '../drivers/char/random.ts';
import { FileMode, type FileOperations } from '../include/linux/fs.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';

/** MEM_MAJOR */
const MEMORY = 1;

/** Minor numbers of major 1, after drivers/char/mem.c (devlist). */
const MEMORY_DEVICES: Readonly<Record<number, FileOperations>> = {
  3: NULL_DEVICE,
  5: ZERO_DEVICE,
  7: FULL_DEVICE,
  8: RANDOM_DEVICE,
  9: RANDOM_DEVICE,
};

export const makeDevice = (major: number, minor: number): number => (major << 8) | minor;

const NO_DEVICE: FileOperations = {
  kind: 'device',
  stream: false,
  plain: true,
  open: () => -Errno.ENXIO,
};

/** What a device number of `type` does when it is opened. */
export function deviceOperations(type: number, device: number): FileOperations {
  if (type !== FileMode.CHARACTER || device >>> 8 !== MEMORY) return NO_DEVICE;
  return MEMORY_DEVICES[device & 0xff] ?? NO_DEVICE;
}
