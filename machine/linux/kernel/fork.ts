/**
 * Tasks and address spaces as objects, after Linux 6.1 kernel/fork.c (copy_process, mm_init),
 * arch/x86/mm/pgtable.c (pgd_alloc) and kernel/cred.c. Omits: fork and clone as system calls.
 */
import { assert } from '../../core/assert.ts';
import { THREAD_WORDS } from '../arch/x86/kernel/process_64.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { SignalAction, Task } from '../include/linux/sched.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { VmaTree } from '../lib/maple_tree.ts';
import { PageKind } from '../mm/mem_map.ts';

/** ASIDs that a PCID has room for, below the bit that names the user's half. */
const ASIDS = 2047;

const noAction = (): SignalAction => ({ handler: 0n, flags: 0n, restorer: 0n, mask: 0n });

/** What boot needs to make a task before there is a current one. */
export type TaskSource = Pick<Kernel, 'cpu' | 'memory' | 'buddy' | 'caches' | 'tasks' | 'stacks'>;

/** copy_process's allocations: a task without address space or files. */
export function createTask(
  kernel: TaskSource,
  options: { readonly pid: number; readonly parent: Task | null; readonly comm: string },
): Task {
  const { caches, tasks, cpu, stacks } = kernel;
  const address = caches.task.allocate(kernel);
  const signal = caches.signal.allocate(kernel);
  const pidAddress = caches.pid.allocate(kernel);
  const credAddress = options.parent?.credAddress ?? caches.cred.allocate(kernel);
  const filesAddress = caches.filesStruct.allocate(kernel);
  const stackTop = stacks.allocate();
  const least = Math.min(address, signal, pidAddress, credAddress, filesAddress, stackTop);
  assert(least >= 0, 'room for a task');
  const task: Task = {
    address,
    pid: options.pid,
    tgid: options.pid,
    parent: options.parent,
    pidAddress,
    credAddress,
    filesAddress,
    stackTop,
    signal: {
      address: signal,
      actions: Array.from({ length: Sig.MAX + 1 }, noAction),
      limits: null,
    },
    comm: options.comm,
    state: 'S',
    thread: new Uint32Array(THREAD_WORDS),
    work: null,
    call: null,
    cpu: 0,
    onRq: false,
    signalPending: false,
    mm: null,
    files: [],
    blocked: 0n,
    pending: 0n,
    clearChildTid: 0,
    robustList: 0,
    rseq: 0,
    exitCode: 0,
    startTick: cpu.now,
    exitTick: null,
  };
  tasks.push(task);
  return task;
}

/** mm_alloc: an empty address space whose upper half is the kernel's; null without memory. */
export function mmAlloc(kernel: Kernel): MmStruct | null {
  const { cpu, caches, memory, buddy, config, swapperPgd } = kernel;
  cpu.run(F.mm_alloc, 16);
  const address = caches.mm.allocate(kernel);
  cpu.run(F.mm_init, 103);
  cpu.run(F.pgd_alloc, 104);
  const frame = buddy.allocateBlock(config.pti ? 1 : 0, PageKind.TABLE);
  if (address < 0 || frame < 0) return null;
  const pgd = frame << PAGE_SHIFT;
  memory.zeroPage(pgd);
  const half = PAGE_BYTES / 2;
  memory.bytes.copyWithin(pgd + half, swapperPgd + half, swapperPgd + PAGE_BYTES);
  if (config.pti) {
    memory.zeroPage(pgd + PAGE_BYTES);
    copyUserHalf(kernel, pgd);
  }
  const asid = config.pcid ? kernel.nextAsid : 0;
  kernel.nextAsid = (kernel.nextAsid % ASIDS) + 1;
  return {
    address,
    pgd,
    asid,
    vmas: new VmaTree(),
    users: 1,
    mmapBase: 0,
    startCode: 0,
    endCode: 0,
    startData: 0,
    endData: 0,
    startBrk: 0,
    brk: 0,
    startStack: 0,
    argStart: 0,
    argEnd: 0,
    envStart: 0,
    envEnd: 0,
    totalVm: 0,
    dataVm: 0,
    lockedVm: 0,
    defaultFlags: 0,
    hugeReserves: new Set(),
    membarriers: 0,
    rss: 0,
    rssMax: 0,
    tables: 0,
    generation: 0,
    lruBatch: 0,
    vdso: 0,
  };
}

/** pti_clone_p4d: the user's table maps the entry area, which both halves need. */
function copyUserHalf({ memory, swapperPgd }: Kernel, pgd: number): void {
  const ENTRY_AREA_SLOT = 508;
  const offset = ENTRY_AREA_SLOT * 8;
  memory.bytes.copyWithin(pgd + PAGE_BYTES + offset, swapperPgd + offset, swapperPgd + offset + 8);
}

export function sysSetTidAddress(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_set_tid_address, 12);
  kernel.cpu.write(kernel.current.address + 2368);
  kernel.current.clearChildTid = args.unsigned(0);
  return kernel.current.pid;
}
