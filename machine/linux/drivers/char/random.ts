/**
 * getrandom and /dev/urandom, after Linux 6.1 drivers/char/random.c: costs of the ChaCha20 generator,
 * bytes from the run's seed. Omits: the entropy pool; the generator is always ready.
 */
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct } from '../../include/linux/fs.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';
import { IovIter } from '../../lib/iov_iter.ts';

const FLAGS = 0x7;
const GRND_RANDOM_INSECURE = 0x6;
const CHACHA_BLOCK_BYTES = 64;
/** Bytes that the fast key erasure leaves over for the first request. */
const FIRST_BLOCK_BYTES = 32;
/** INT_MAX, and what one call gives at most. */
const REQUEST_BYTES_MAX = 0x1ffffff;

export function sysGetrandom(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_getrandom, 35);
  const flags = args.low(2);
  if ((flags & ~FLAGS) !== 0) return -Errno.EINVAL;
  if ((flags & GRND_RANDOM_INSECURE) === GRND_RANDOM_INSECURE) return -Errno.EINVAL;
  cpu.run(F.import_single_range, 27);
  const length = Math.min(args.unsigned(1), REQUEST_BYTES_MAX);
  return getRandomBytes(kernel, new IovIter([{ address: args.unsigned(0), length }]));
}

/** get_random_bytes_user: fills the iterator. */
function getRandomBytes(kernel: Kernel, iter: IovIter): number {
  const { cpu } = kernel;
  const length = iter.count;
  if (length === 0) return 0;
  cpu.run(F.get_random_bytes_user, 52);
  cpu.run(F.crng_make_state, 58);
  cpu.readImage(ImageData.RANDOM_STATE);
  cpu.run(F.ktime_get_seconds, 6);
  cpu.run(F.crng_fast_key_erasure, 65);
  cpu.writePerCpu(PerCpu.CRNG);
  const extra = Math.max(0, length - FIRST_BLOCK_BYTES);
  const blocks = 1 + Math.ceil(extra / CHACHA_BLOCK_BYTES);
  cpu.runCalls(F.chacha_block_generic, 140 * blocks, blocks);
  cpu.runCalls(F.chacha_permute, 1282 * blocks, blocks);
  cpu.run(F._copy_to_iter, 92);
  const bytes = new Uint8Array(length);
  kernel.randomBytes.fill(bytes);
  const copied = iter.copyTo(kernel, bytes);
  return copied > 0 ? copied : -Errno.EFAULT;
}

function readRandom(kernel: Kernel, _file: FileStruct, iter: IovIter): number {
  iter.truncate(REQUEST_BYTES_MAX);
  return getRandomBytes(kernel, iter);
}

/** /dev/random and /dev/urandom: writing would add entropy, of which there is none to add. */
export const RANDOM_DEVICE: FileOperations = {
  kind: 'device',
  stream: false,
  plain: false,
  read: readRandom,
  write: (_kernel, _file, iter) => {
    const { count } = iter;
    iter.truncate(0);
    return count;
  },
};
