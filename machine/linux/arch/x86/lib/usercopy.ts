/**
 * Copies between kernel and user memory, after Linux 6.1 lib/usercopy.c and
 * arch/x86/lib/copy_user_64.S: short ones word by word, longer ones with `rep movsb`. Every user
 * line is touched through the user's mapping; pages are faulted in on the way.
 */
import { Cause } from '../../../../core/ledger/cause.ts';
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../../../init/kernel.ts';
import { userPage } from '../../../mm/gup.ts';
import { F } from '../model/generated/function-ids.ts';
import { PAGE_BYTES } from '../model/physical-memory.ts';

const LINE_BYTES = 64;
/** Below this many bytes words and bytes are moved one by one. */
const SHORT_BYTES = 64;
const TWO_32 = 2 ** 32;

/** copy_user_enhanced_fast_string and its short form. */
function copyCost(kernel: Kernel, length: number): void {
  const { cpu } = kernel;
  if (length >= SHORT_BYTES) {
    cpu.run(F.copy_user_enhanced_fast_string, 8);
    cpu.charge(Cause.COPY, Math.ceil(length / LINE_BYTES) * cpu.ticks.copyPerLine);
    return;
  }
  cpu.run(F.copy_user_enhanced_fast_string, 3);
  const words = length >> 3;
  const bytes = length & 7;
  cpu.run(F.copy_user_short_string, (words > 0 ? 9 : 10) + 6 * words + 6 * bytes);
}

/** Moves bytes page by page; `write` is the direction user-ward. Returns 0 or -EFAULT. */
function transfer(kernel: Kernel, address: number, buffer: Uint8Array, write: boolean): number {
  const { cpu, memory, current } = kernel;
  const { mm } = current;
  if (mm === null) return -Errno.EFAULT;
  let done = 0;
  while (done < buffer.length) {
    const at = address + done;
    const offset = at % PAGE_BYTES;
    const count = Math.min(buffer.length - done, PAGE_BYTES - offset);
    const page = userPage(kernel, mm, at, write);
    if (page < 0) return -Errno.EFAULT;
    const high = Math.floor(at / TWO_32);
    cpu.stream(write ? 'write' : 'read', at >>> 0, high, count);
    const physical = page + offset;
    if (write) {
      memory.bytes.set(buffer.subarray(done, done + count), physical);
      memory.written(physical);
    } else {
      buffer.set(memory.bytes.subarray(physical, physical + count), done);
    }
    done += count;
  }
  return 0;
}

/** _copy_to_user */
export function copyToUser(kernel: Kernel, address: number, from: Uint8Array): number {
  kernel.cpu.run(F._copy_to_user, 11);
  copyCost(kernel, from.length);
  return transfer(kernel, address, from, true);
}

/** _copy_from_user */
export function copyFromUser(kernel: Kernel, address: number, to: Uint8Array): number {
  kernel.cpu.run(F._copy_from_user, 21);
  copyCost(kernel, to.length);
  return transfer(kernel, address, to, false);
}

/** The copy inside an iov_iter: the caller has charged the iterator. */
export function copyIn(kernel: Kernel, address: number, to: Uint8Array): number {
  copyCost(kernel, to.length);
  return transfer(kernel, address, to, false);
}

export function copyOut(kernel: Kernel, address: number, from: Uint8Array): number {
  copyCost(kernel, from.length);
  return transfer(kernel, address, from, true);
}

/** Reads user bytes whose instructions the caller has charged. */
export function readUserBytes(kernel: Kernel, address: number, to: Uint8Array): number {
  return transfer(kernel, address, to, false);
}

/** Writes user bytes whose instructions the caller has charged. */
export function writeUserBytes(kernel: Kernel, address: number, from: Uint8Array): number {
  return transfer(kernel, address, from, true);
}

/** put_user and get_user of 4 or 8 bytes. */
export function putUser(kernel: Kernel, address: number, from: Uint8Array): number {
  if (from.length === 8) kernel.cpu.run(F.__put_user_8, 8);
  else kernel.cpu.run(F.__put_user_4, 8);
  return transfer(kernel, address, from, true);
}

export function getUser(kernel: Kernel, address: number, to: Uint8Array): number {
  if (to.length === 8) kernel.cpu.run(F.__get_user_8, 10);
  else kernel.cpu.run(F.__get_user_nocheck_4, 6);
  return transfer(kernel, address, to, false);
}
