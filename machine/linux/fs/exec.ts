/**
 * execve from inside the kernel (as for init), after Linux 6.1 fs/exec.c: the new address space, the
 * strings on its stack, the switch to it. Omits: scripts, set-user-id, closing on exec.
 */
import { loadAddressSpace } from '../arch/x86/mm/tlbflush.ts';
import { startThread } from '../arch/x86/kernel/process_64.ts';
import { addressLayout } from '../arch/x86/mm/mmap.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { MachineBug } from '../../core/assert.ts';
import type { ElfError } from '../../core/elf/elf-file.ts';
import { parseElf } from '../../core/elf/reader.ts';
import { addProgramFile } from '../init/initramfs.ts';
import { walkQuietly } from './namei.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { mmAlloc } from '../kernel/mm.ts';
import { traceProcessExec } from '../trace/sched.ts';
import { checkExecutable, loadElfBinary } from './binfmt_elf.ts';
import { type ExecError, type ExecRequest, execError } from './exec-errors.ts';

/** Longest name of a task, its terminator included. */
const TASK_COMM_BYTES = 16;

/** The program as a file of the root, where it is put unless these very bytes are there. */
function programFile(kernel: Kernel, { path, bytes }: ExecRequest): MappedFile {
  const walked = walkQuietly(kernel, kernel.root, path);
  const present = typeof walked === 'number' ? null : (walked.dentry?.inode.mapping ?? null);
  if (present !== null && present.bytes === bytes) return present;
  const { mapping } = addProgramFile(kernel, path, bytes, 0o755).inode;
  if (mapping === null) throw new MachineBug('a program is a regular file');
  return mapping;
}

/** Replaces the current task's program. On success the registers are those of its first instruction. */
export function execve(kernel: Kernel, request: ExecRequest): ElfError | ExecError | null {
  const elf = parseElf(request.bytes);
  if (elf.kind === 'elf-error') return elf;
  const refused = checkExecutable(elf);
  if (refused !== null) return refused;
  const { cpu, current } = kernel;
  cpu.run(F.do_execveat_common, 112);
  cpu.run(F.alloc_bprm, 91);
  const mm = mmAlloc(kernel);
  if (mm === null) return execError('out of memory', 'raise mem=');
  const layout = addressLayout(kernel.config.randomizeVaSpace, kernel.randomLayout);
  mm.mmapBase = layout.mmapBase;
  cpu.run(F.begin_new_exec, 228);
  current.mm = mm;
  kernel.executable.path = request.path;
  current.comm = (request.path.split('/').pop() ?? '').slice(0, TASK_COMM_BYTES - 1);
  loadAddressSpace(kernel, mm);
  const file = programFile(kernel, request);
  const start = loadElfBinary(kernel, { elf, file, mm, layout, request });
  if ('kind' in start) return start;
  startThread(kernel, start.entry, start.stackPointer);
  traceProcessExec(kernel);
  return null;
}
