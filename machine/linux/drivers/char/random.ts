/**
 * getrandom, after Linux 6.1 drivers/char/random.c: costs of the ChaCha20 generator, bytes from the
 * run's seed. Omits: the entropy pool; the generator is always ready.
 */
import { copyOut } from '../../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../../arch/x86/entry/syscall-arguments.ts';
import { ImageData, PerCpu } from '../../arch/x86/model/address-map.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../init/kernel.ts';

const FLAGS = 0x7;
const CHACHA_BLOCK_BYTES = 64;
/** Bytes that the fast key erasure leaves over for the first request. */
const FIRST_BLOCK_BYTES = 32;

export function sysGetrandom(kernel: Kernel, args: SyscallArguments): number {
  const { cpu } = kernel;
  cpu.run(F.__x64_sys_getrandom, 35);
  if ((args.low(2) & ~FLAGS) !== 0) return -Errno.EINVAL;
  cpu.run(F.import_single_range, 27);
  const length = Math.min(args.unsigned(1), 0x2000000);
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
  return copyOut(kernel, args.unsigned(0), bytes) < 0 ? -Errno.EFAULT : length;
}
