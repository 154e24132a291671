/**
 * execve and execveat, after Linux 6.1 fs/exec.c (do_execveat_common, begin_new_exec, de_thread) and
 * fs/binfmt_script.c. Omits: set-user-id programs, binfmt_misc, ptrace, text that is busy while it runs.
 */
import { SegmentType } from '../../core/elf/format.ts';
import type { ElfFile } from '../../core/elf/elf-file.ts';
import { parseElf } from '../../core/elf/reader.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { runSteps } from '../arch/x86/model/steps.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Dentry } from '../include/linux/fs.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Sleeping } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { At } from '../include/uapi/asm-generic/fcntl.ts';
import { Sig } from '../include/uapi/asm-generic/signal.ts';
import type { Kernel } from '../init/kernel.ts';
import { getname, type UserPath } from '../lib/strncpy_from_user.ts';
import { mmAlloc, mmput } from '../kernel/mm.ts';
import { deThread } from '../kernel/de-thread.ts';
import { forceFatalSig } from '../kernel/signal-send.ts';
import { fileBytes } from '../mm/shmem-pages.ts';
import { checkExecutable } from './binfmt_elf.ts';
import { dentryPath } from './dcache.ts';
import { beginNewExec, startImage } from './exec.ts';
import { PREPARE } from './exec-costs.ts';
import { userStrings } from './exec-strings.ts';
import { fdgetRaw } from './file.ts';
import { isRegular, isSymlink } from './inode.ts';
import { filenameLookup, inodePermission } from './namei.ts';

/** Scripts whose interpreters are scripts: BINPRM_MAX_RECURSION. */
const RECURSION_MAX = 5;
/** BINPRM_BUF_SIZE: the first line of a script, `#!` included. */
const LINE_BYTES_MAX = 256;

/** linux_binprm: what is to be run, and with which strings. */
interface Binprm {
  readonly dentry: Dentry;
  /** Name that was asked for: AT_EXECFN and the name of the task. */
  readonly filename: string;
  readonly elf: ElfFile;
  readonly bytes: Uint8Array;
  readonly argv: readonly Uint8Array[];
  readonly env: readonly Uint8Array[];
}

/** do_open_execat: a regular file that may be executed and that nobody writes. */
function openExec(kernel: Kernel, dirfd: number, path: string, flags: number): Dentry | number {
  const found =
    path === '' && (flags & At.EMPTY_PATH) !== 0
      ? openFile(kernel, dirfd)
      : filenameLookup(kernel, dirfd, path, { follow: (flags & At.SYMLINK_NOFOLLOW) === 0 });
  if (typeof found === 'number') return found;
  const { inode } = found;
  if (isSymlink(inode)) return -Errno.ELOOP;
  if (!isRegular(inode) || inode.mapping === null) return -Errno.EACCES;
  if (inode.writers > 0) return -Errno.ETXTBSY;
  const refused = inodePermission(kernel, found, true);
  return refused === 0 ? found : refused;
}

function openFile(kernel: Kernel, fd: number): Dentry | number {
  const file = fdgetRaw(kernel, fd);
  return file === null ? -Errno.EBADF : file.dentry;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** load_script: the interpreter and its one argument, or null when it is no script. */
function interpreterOf(bytes: Uint8Array): readonly string[] | number | null {
  if (bytes.length < 2 || bytes[0] !== 0x23 || bytes[1] !== 0x21) return null;
  const text = new TextDecoder('latin1').decode(bytes.subarray(2, LINE_BYTES_MAX));
  const end = text.indexOf('\n');
  const line = (end < 0 ? text : text.slice(0, end)).replace(/^[ \t]+|[ \t\0]+$/g, '');
  if (line === '') return -Errno.ENOEXEC;
  const space = line.search(/[ \t]/);
  if (space < 0) return [line];
  return [line.slice(0, space), line.slice(space).trim()];
}

/** The program behind a path, through as many scripts as allowed. */
function prepare(
  kernel: Kernel,
  asked: { readonly dirfd: number; readonly path: string; readonly flags: number },
  strings: { readonly argv: readonly Uint8Array[]; readonly env: readonly Uint8Array[] },
): Binprm | number {
  const filename =
    asked.path === '' || (asked.dirfd !== At.FDCWD && !asked.path.startsWith('/'))
      ? `/dev/fd/${asked.dirfd}${asked.path === '' ? '' : `/${asked.path}`}`
      : asked.path;
  let { argv } = strings;
  let script = filename;
  let dentry = openExec(kernel, asked.dirfd, asked.path, asked.flags);
  for (let depth = 0; depth <= RECURSION_MAX; depth++) {
    if (typeof dentry === 'number') return dentry;
    const { mapping } = dentry.inode;
    const bytes = mapping === null ? new Uint8Array() : fileBytes(kernel, mapping);
    const interpreter = interpreterOf(bytes);
    if (typeof interpreter === 'number') return interpreter;
    if (interpreter === null) {
      const elf = executable(kernel, bytes);
      return typeof elf === 'number'
        ? elf
        : { dentry, filename, elf, bytes, argv, env: strings.env };
    }
    argv = [...interpreter, script].map(bytesOf).concat(argv.slice(1));
    [script] = interpreter;
    dentry = openExec(kernel, At.FDCWD, script, 0);
  }
  return -Errno.ELOOP;
}

/** What load_elf_binary accepts. Its interpreter, if it needs one, must be in the tree: it never is. */
function executable(kernel: Kernel, bytes: Uint8Array): ElfFile | number {
  const elf = parseElf(bytes);
  if (elf.kind === 'elf-error') return -Errno.ENOEXEC;
  if (checkExecutable(elf) === null) return elf;
  if (!elf.segments.some(({ type }) => type === SegmentType.INTERP)) return -Errno.ENOEXEC;
  const { interpreter = '' } = elf;
  const found = filenameLookup(kernel, At.FDCWD, interpreter, {});
  // Loading one is not modelled: as if it were of a kind that the kernel does not know.
  return typeof found === 'number' ? found : -Errno.ELIBBAD;
}

interface Call {
  readonly dirfd: number;
  readonly path: UserPath;
  readonly argv: number;
  readonly envp: number;
  readonly flags: number;
}

/** do_execveat_common. Returns to user mode only with an error; else in the new program. */
function* doExecveat(kernel: Kernel, call: Call): Sleeping<number> {
  const { dirfd, path, flags } = call;
  kernel.cpu.run(F.do_execveat_common, 112);
  kernel.cpu.run(F.alloc_bprm, 91);
  runSteps(kernel.cpu, PREPARE);
  if (typeof path === 'number') return path;
  const argv = userStrings(kernel, call.argv);
  if (typeof argv === 'number') return argv;
  const taken = argv.reduce((sum, { length }) => sum + length + 9, 0);
  const env = userStrings(kernel, call.envp, taken);
  if (typeof env === 'number') return env;
  // An empty vector becomes one with an empty string.
  const strings = { argv: argv.length === 0 ? [new Uint8Array()] : argv, env };
  const bprm = prepare(kernel, { dirfd, path, flags }, strings);
  if (typeof bprm === 'number') return bprm;
  const mm = mmAlloc(kernel);
  if (mm === null) return -Errno.ENOMEM;
  if (!(yield* deThread(kernel))) {
    mmput(kernel, mm);
    return -Errno.EAGAIN;
  }
  return run(kernel, bprm, mm);
}

/** From the point of no return: what goes wrong here ends the process. */
function run(kernel: Kernel, bprm: Binprm, mm: MmStruct): number {
  const { dentry, filename, elf, bytes, argv, env } = bprm;
  const { mapping } = dentry.inode;
  const layout = beginNewExec(kernel, mm, filename);
  mm.exeFile = dentryPath(dentry);
  const failed =
    mapping === null ||
    startImage(kernel, {
      elf,
      file: mapping,
      mm,
      layout,
      request: { path: filename, bytes, argv, env },
    }) !== null;
  if (!failed) return 0;
  forceFatalSig(kernel, Sig.SEGV, `the program ${filename} could not be loaded`);
  return -Errno.ENOMEM;
}

export function sysExecve(kernel: Kernel, args: SyscallArguments): Sleeping<number> {
  kernel.cpu.run(F.__x64_sys_execve, 20);
  const path = getname(kernel, args.unsigned(0));
  const [argv, envp] = [args.unsigned(1), args.unsigned(2)];
  return doExecveat(kernel, { dirfd: At.FDCWD, path, argv, envp, flags: 0 });
}

export function sysExecveat(kernel: Kernel, args: SyscallArguments): number | Sleeping<number> {
  const flags = args.low(4);
  if ((flags & ~(At.EMPTY_PATH | At.SYMLINK_NOFOLLOW)) !== 0) return -Errno.EINVAL;
  const path = getname(kernel, args.unsigned(1), (flags & At.EMPTY_PATH) !== 0);
  const [argv, envp] = [args.unsigned(2), args.unsigned(3)];
  return doExecveat(kernel, { dirfd: args.int(0), path, argv, envp, flags });
}
