/**
 * Changing and asking who a task is, after Linux 6.1 kernel/sys.c (setresuid and its relatives) and
 * kernel/groups.c. Capabilities decide. Omits: what files would then be
 * refused to others, user namespaces, limits on processes of a user.
 */
import { copyFromUser, copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Cred } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { Cap, capabilitiesAfter, capable } from './capability.ts';
import { prepareCreds, putCred } from './cred.ts';

/** An argument of -1: leave it as it is. */
const KEEP = 0xffff_ffff;
const GROUPS_MAX = 65_536;
const ID_BYTES = 4;

type Kind = 'uid' | 'gid';

interface Ids {
  readonly real: number;
  readonly effective: number;
  readonly saved: number;
}

const FIELDS = {
  uid: { real: 'uid', effective: 'euid', saved: 'suid', files: 'fsuid' },
  gid: { real: 'gid', effective: 'egid', saved: 'sgid', files: 'fsgid' },
} as const;

function idsOf(cred: Cred, kind: Kind): Ids {
  const { real, effective, saved } = FIELDS[kind];
  return { real: cred[real], effective: cred[effective], saved: cred[saved] };
}

const isCapable = (kernel: Kernel, kind: Kind = 'gid'): boolean =>
  capable(kernel, kind === 'uid' ? Cap.SETUID : Cap.SETGID);

/** prepare_creds, the change, commit_creds. Returns 0 or -ENOMEM. */
function change(kernel: Kernel, changes: Partial<Cred>): number {
  const { cpu, current } = kernel;
  const copy = prepareCreds(kernel, current.cred);
  if (copy === null) return -Errno.ENOMEM;
  cpu.run(F.commit_creds, 105);
  cpu.write(current.address + 2560);
  const old = current.cred;
  const next = { ...copy, ...changes };
  current.cred = { ...next, ...capabilitiesAfter(old, next) };
  putCred(kernel, old);
  return 0;
}

function setIds(kernel: Kernel, kind: Kind, ids: Ids): number {
  const { real, effective, saved, files } = FIELDS[kind];
  return change(kernel, {
    [real]: ids.real,
    [effective]: ids.effective,
    [saved]: ids.saved,
    [files]: ids.effective,
  });
}

/** setuid, setgid: all three for those who may, else the effective one. */
function setId(kernel: Kernel, kind: Kind, id: number): number {
  kernel.cpu.run(F.__sys_setuid, 70);
  if (id === KEEP) return -Errno.EINVAL;
  const ids = idsOf(kernel.current.cred, kind);
  if (isCapable(kernel, kind)) return setIds(kernel, kind, { real: id, effective: id, saved: id });
  if (id !== ids.real && id !== ids.saved) return -Errno.EPERM;
  return setIds(kernel, kind, { ...ids, effective: id });
}

/** setresuid, setresgid: without privilege, each to one of the three that there are. */
function setThree(kernel: Kernel, kind: Kind, wanted: readonly number[]): number {
  kernel.cpu.run(F.__sys_setresuid, 110);
  const ids = idsOf(kernel.current.cred, kind);
  const known: readonly number[] = [ids.real, ids.effective, ids.saved];
  const isFree = isCapable(kernel, kind);
  if (!isFree && wanted.some((id) => id !== KEEP && !known.includes(id))) return -Errno.EPERM;
  const [real, effective, saved] = wanted.map((id, i) => (id === KEEP ? known[i] : id));
  return setIds(kernel, kind, { real, effective, saved });
}

/** setreuid, setregid: the saved one follows when the real one is set, or the effective one to another. */
function setTwo(kernel: Kernel, kind: Kind, real: number, effective: number): number {
  kernel.cpu.run(F.__sys_setreuid, 100);
  const ids = idsOf(kernel.current.cred, kind);
  const isFree = isCapable(kernel, kind);
  const mayBeReal = real === KEEP || real === ids.real || real === ids.effective;
  const mayBeEffective = effective === KEEP || Object.values(ids).includes(effective);
  if (!isFree && !(mayBeReal && mayBeEffective)) return -Errno.EPERM;
  const next = {
    real: real === KEEP ? ids.real : real,
    effective: effective === KEEP ? ids.effective : effective,
  };
  const moves = real !== KEEP || (effective !== KEEP && effective !== ids.real);
  return setIds(kernel, kind, { ...next, saved: moves ? next.effective : ids.saved });
}

/** setfsuid, setfsgid: returns what it was. */
function setFilesId(kernel: Kernel, kind: Kind, id: number): number {
  kernel.cpu.run(F.__sys_setuid, 60);
  const { cred } = kernel.current;
  const { files } = FIELDS[kind];
  const before = cred[files];
  const { real, effective, saved } = idsOf(cred, kind);
  const known = [real, effective, saved, before];
  if (id !== KEEP && (isCapable(kernel, kind) || known.includes(id)))
    change(kernel, { [files]: id });
  return before;
}

function getThree(kernel: Kernel, kind: Kind, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_getuid, 24);
  const { real, effective, saved } = idsOf(kernel.current.cred, kind);
  for (const [i, id] of [real, effective, saved].entries()) {
    const error = putUser(kernel, args.unsigned(i), new Uint8Array(Uint32Array.of(id).buffer));
    if (error < 0) return error;
  }
  return 0;
}

type Call = (kernel: Kernel, args: SyscallArguments) => number;

const three =
  (kind: Kind): Call =>
  (kernel, args) =>
    setThree(
      kernel,
      kind,
      [args.low(0), args.low(1), args.low(2)].map((id) => id >>> 0),
    );
const two =
  (kind: Kind): Call =>
  (kernel, args) =>
    setTwo(kernel, kind, args.low(0) >>> 0, args.low(1) >>> 0);
const one =
  (kind: Kind): Call =>
  (kernel, args) =>
    setId(kernel, kind, args.low(0) >>> 0);

export const sysSetuid = one('uid');
export const sysSetgid = one('gid');
export const sysSetreuid = two('uid');
export const sysSetregid = two('gid');
export const sysSetresuid = three('uid');
export const sysSetresgid = three('gid');
export const sysSetfsuid: Call = (kernel, args) => setFilesId(kernel, 'uid', args.low(0) >>> 0);
export const sysSetfsgid: Call = (kernel, args) => setFilesId(kernel, 'gid', args.low(0) >>> 0);
export const sysGetresuid: Call = (kernel, args) => getThree(kernel, 'uid', args);
export const sysGetresgid: Call = (kernel, args) => getThree(kernel, 'gid', args);

export function sysGetgroups(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_getuid, 30);
  const { groups } = kernel.current.cred;
  const room = args.int(0);
  if (room < 0 || (room !== 0 && room < groups.length)) return -Errno.EINVAL;
  if (room === 0 || groups.length === 0) return groups.length;
  const error = copyToUser(
    kernel,
    args.unsigned(1),
    new Uint8Array(Uint32Array.from(groups).buffer),
  );
  return error < 0 ? error : groups.length;
}

export function sysSetgroups(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__sys_setresuid, 80);
  const count = args.int(0);
  if (!isCapable(kernel)) return -Errno.EPERM;
  if (count < 0 || count > GROUPS_MAX) return -Errno.EINVAL;
  const bytes = new Uint8Array(count * ID_BYTES);
  if (count > 0 && copyFromUser(kernel, args.unsigned(1), bytes) < 0) return -Errno.EFAULT;
  const groups = [...new Uint32Array(bytes.buffer)].sort((a, b) => a - b);
  return change(kernel, { groups });
}
