/**
 * Locking pages in memory, after Linux 6.1 mm/mlock.c. Nothing is ever swapped here, so a locked page
 * is one that is present. Omits: the lists of locked pages. Root may lock without limit.
 */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { TASK_SIZE } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES } from '../arch/x86/model/physical-memory.ts';
import { type MmStruct, Vm, type Vma } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { Mcl, MLOCK_ONFAULT } from '../include/uapi/asm-generic/mman.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWriteKillable, upWrite } from '../kernel/locking/rwsem.ts';
import { masFind, masFindNext } from '../lib/maple_tree.ts';
import { pageAlign, pageFloor } from './align.ts';
import { populate } from './gup.ts';
import { vmaModify } from './vma.ts';

const LOCK_BITS = Vm.LOCKED | Vm.LOCKONFAULT;
/** VM_SPECIAL and huge pages, which are never swapped anyway. */
const NEVER_LOCKED = Vm.IO | Vm.DONTEXPAND | Vm.PFNMAP | Vm.MIXEDMAP | Vm.HUGETLB;

/** mlock_fixup: part of one mapping. */
function mlockFixup(
  kernel: Kernel,
  mm: MmStruct,
  vma: Vma,
  range: { readonly start: number; readonly end: number },
  locks: number,
): number {
  const flags = (vma.flags & ~LOCK_BITS) | locks;
  kernel.cpu.run(F.mlock_fixup, 60);
  if (flags === vma.flags || (vma.flags & NEVER_LOCKED) !== 0) return 0;
  const pages = (range.end - range.start) / PAGE_BYTES;
  const wasLocked = (vma.flags & Vm.LOCKED) !== 0;
  if (vmaModify(kernel, mm, vma, { ...range, flags }) === null) return -Errno.ENOMEM;
  if (!wasLocked && (locks & Vm.LOCKED) !== 0) mm.lockedVm += pages;
  if (wasLocked && (locks & Vm.LOCKED) === 0) mm.lockedVm -= pages;
  return 0;
}

/** apply_vma_lock_flags: start .. end must be mapped without a gap. */
function applyLocks(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  end: number,
  locks: number,
): number {
  if (end < start) return -Errno.EINVAL;
  if (end === start) return 0;
  const { cpu } = kernel;
  masFind(cpu, mm.vmas, start, false);
  let address = start;
  while (address < end) {
    const vma = mm.vmas.find(address);
    if (vma === undefined || vma.start > address) return -Errno.ENOMEM;
    const stop = Math.min(end, vma.end);
    const error = mlockFixup(kernel, mm, vma, { start: address, end: stop }, locks);
    if (error < 0) return error;
    address = stop;
    if (address < end) masFindNext(cpu);
  }
  return 0;
}

/** do_mlock, for mlock and mlock2; `locks` empty for munlock. */
function lockRange(kernel: Kernel, address: number, length: number, locks: number): number {
  const { cpu, current } = kernel;
  const { mm } = current;
  cpu.run(F.do_mlock, 70);
  if (mm === null) return -Errno.EINVAL;
  const start = pageFloor(address);
  const bytes = pageAlign(length + (address - start));
  if (start + bytes > TASK_SIZE) return bytes > TASK_SIZE ? -Errno.EINVAL : -Errno.ENOMEM;
  downWriteKillable(cpu, mm.address + 64);
  const error = applyLocks(kernel, mm, start, start + bytes, locks);
  upWrite(cpu, mm.address + 64);
  if (error < 0 || (locks & LOCK_BITS) !== Vm.LOCKED) return error;
  const missing = populate(kernel, mm, start, start + bytes);
  // __mlock_posix_error_return
  if (missing === -Errno.EFAULT) return -Errno.ENOMEM;
  return missing === -Errno.ENOMEM ? -Errno.EAGAIN : missing;
}

export function sysMlock(kernel: Kernel, args: SyscallArguments): number {
  return lockRange(kernel, args.unsigned(0), args.unsigned(1), Vm.LOCKED);
}

export function sysMlock2(kernel: Kernel, args: SyscallArguments): number {
  const flags = args.int(2);
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -Errno.EINVAL;
  const locks = Vm.LOCKED | ((flags & MLOCK_ONFAULT) !== 0 ? Vm.LOCKONFAULT : 0);
  return lockRange(kernel, args.unsigned(0), args.unsigned(1), locks);
}

export function sysMunlock(kernel: Kernel, args: SyscallArguments): number {
  return lockRange(kernel, args.unsigned(0), args.unsigned(1), 0);
}

/** apply_mlockall_flags: mappings that cannot be locked are passed over. */
function lockAll(kernel: Kernel, mm: MmStruct, locks: number): void {
  let address = 0;
  for (;;) {
    const vma = mm.vmas.find(address);
    if (vma === undefined) return;
    address = vma.end;
    mlockFixup(kernel, mm, vma, { start: vma.start, end: vma.end }, locks);
  }
}

export function sysMlockall(kernel: Kernel, args: SyscallArguments): number {
  const { cpu, current } = kernel;
  const { mm } = current;
  const flags = args.int(0);
  const known = Mcl.CURRENT | Mcl.FUTURE | Mcl.ONFAULT;
  if (flags === 0 || (flags & ~known) !== 0 || flags === (Mcl.ONFAULT as number)) {
    return -Errno.EINVAL;
  }
  if (mm === null) return -Errno.EINVAL;
  downWriteKillable(cpu, mm.address + 64);
  const locks = Vm.LOCKED | ((flags & Mcl.ONFAULT) !== 0 ? Vm.LOCKONFAULT : 0);
  mm.defaultFlags = (flags & Mcl.FUTURE) !== 0 ? locks : 0;
  if ((flags & Mcl.CURRENT) !== 0) lockAll(kernel, mm, locks);
  upWrite(cpu, mm.address + 64);
  if ((flags & Mcl.CURRENT) !== 0 && locks === Vm.LOCKED) populate(kernel, mm, 0, TASK_SIZE);
  return 0;
}

export function sysMunlockall(kernel: Kernel): number {
  const { cpu, current } = kernel;
  const { mm } = current;
  if (mm === null) return -Errno.EINVAL;
  downWriteKillable(cpu, mm.address + 64);
  mm.defaultFlags = 0;
  lockAll(kernel, mm, 0);
  upWrite(cpu, mm.address + 64);
  return 0;
}
