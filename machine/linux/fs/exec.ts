/**
 * Starting programs, after Linux 6.1 fs/exec.c: the new address space, what the old program leaves, the
 * strings on the stack; and execve from inside the kernel, as for init. The calls are in
 * exec-syscalls.ts. Omits: set-user-id.
 */
import { loadAddressSpace } from '../arch/x86/mm/tlbflush.ts';
import { startThread } from '../arch/x86/kernel/process_64.ts';
import { type AddressLayout, addressLayout } from '../arch/x86/mm/mmap.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { MachineBug } from '../../core/assert.ts';
import type { ElfError } from '../../core/elf/elf-file.ts';
import { parseElf } from '../../core/elf/reader.ts';
import { addProgramFile } from '../init/initramfs.ts';
import { walkQuietly } from './namei.ts';
import type { MappedFile, MmStruct } from '../include/linux/mm_types.ts';
import type { Task } from '../include/linux/sched.ts';
import { Ss } from '../include/linux/signal_types.ts';
import { Personality } from '../include/uapi/linux/personality.ts';
import type { Kernel } from '../init/kernel.ts';
import { leaveMm } from '../kernel/exit.ts';
import { mmAlloc, mmput } from '../kernel/mm.ts';
import { dropPosixTimers } from '../kernel/time/posix-timer-calls.ts';
import { flushSignalHandlers } from '../kernel/sighand.ts';
import { traceProcessExec } from '../trace/sched.ts';
import { checkExecutable, loadElfBinary, type LoadRequest } from './binfmt_elf.ts';
import { COMMIT } from './exec-costs.ts';
import { closeOnExec, copyFiles, putFiles } from './file.ts';
import { type ExecError, type ExecRequest, execError } from './exec-errors.ts';

/** Longest name of a task, its terminator included. */
const TASK_COMM_BYTES = 16;
const NO_ALTSTACK = { pointer: 0, bytes: 0, flags: Ss.DISABLE };

/** The program as a file of the root, where it is put unless these very bytes are there. */
function programFile(kernel: Kernel, { path, bytes }: ExecRequest): MappedFile {
  const walked = walkQuietly(kernel, kernel.root, path);
  const present = typeof walked === 'number' ? null : (walked.dentry?.inode.mapping ?? null);
  if (present !== null && present.bytes === bytes) return present;
  const { mapping } = addProgramFile(kernel, path, bytes, 0o755).inode;
  if (mapping === null) throw new MachineBug('a program is a regular file');
  return mapping;
}

/**
 * begin_new_exec: the current task leaves its old memory for `mm`, and what belonged to its old program
 * is gone. Returns where things will lie.
 */
export function beginNewExec(kernel: Kernel, mm: MmStruct, filename: string): AddressLayout {
  const { cpu, current } = kernel;
  const fixed = (current.personality & Personality.ADDR_NO_RANDOMIZE) !== 0;
  const mode = fixed ? 0 : kernel.config.randomizeVaSpace;
  const layout = addressLayout(mode, kernel.randomLayout);
  mm.mmapBase = layout.mmapBase;
  cpu.run(F.begin_new_exec, 228);
  const { mm: old } = current;
  if (old !== null) {
    leaveMm(kernel, current);
    current.usage.rssMax = Math.max(current.usage.rssMax, old.rssMax);
    runSteps(cpu, COMMIT);
  }
  current.mm = mm;
  loadAddressSpace(kernel, mm);
  if (old !== null) {
    mmput(kernel, old);
    unshareFiles(kernel, current);
    closeOnExec(kernel, current.files);
    flushSignalHandlers(current);
    dropPosixTimers(kernel, current.signal);
  }
  current.altStack = NO_ALTSTACK;
  current.restart = null;
  Object.assign(current, { rseq: 0, rseqBytes: 0, rseqSignature: 0, robustList: 0 });
  current.forkNoExec = false;
  current.dumpable = 1;
  current.comm = (filename.split('/').pop() ?? '').slice(0, TASK_COMM_BYTES - 1);
  return layout;
}

/** unshare_files: without memory for a table of its own, the process keeps the shared one. */
function unshareFiles(kernel: Kernel, task: Task): void {
  const { files } = task;
  if (files.references === 1) return;
  const copy = copyFiles(kernel, files);
  if (copy === null) return;
  putFiles(kernel, files);
  task.files = copy;
}

/** load_elf_binary and start_thread: the registers are those of the first instruction. */
export function startImage(kernel: Kernel, load: LoadRequest): ExecError | null {
  const start = loadElfBinary(kernel, load);
  if ('kind' in start) return start;
  startThread(kernel, start.entry, start.stackPointer);
  traceProcessExec(kernel);
  return null;
}

/** The first program of a task that the kernel made itself. */
export function execve(kernel: Kernel, request: ExecRequest): ElfError | ExecError | null {
  const elf = parseElf(request.bytes);
  if (elf.kind === 'elf-error') return elf;
  const refused = checkExecutable(elf);
  if (refused !== null) return refused;
  const { cpu } = kernel;
  cpu.run(F.do_execveat_common, 112);
  cpu.run(F.alloc_bprm, 91);
  const mm = mmAlloc(kernel);
  if (mm === null) return execError('out of memory', 'raise mem=');
  mm.exeFile = request.path;
  const layout = beginNewExec(kernel, mm, request.path);
  return startImage(kernel, { elf, file: programFile(kernel, request), mm, layout, request });
}
