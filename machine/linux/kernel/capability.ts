/**
 * Capabilities, after Linux 6.1 kernel/capability.c and security/commoncap.c: the three sets of a task,
 * what changing its user ids does to them, capget and capset. Omits: the bounding and ambient sets,
 * capabilities of files, user namespaces; programs that are executed keep what their user has.
 */
import { copyFromUser, copyToUser, putUser } from '../arch/x86/lib/usercopy.ts';
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Cred, Task } from '../include/linux/sched.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { prepareCreds, putCred, ROOT_CAPABILITIES as ALL_CAPABILITIES } from './cred.ts';

/** include/uapi/linux/capability.h, as far as the model asks for them. */
export const enum Cap {
  SETGID = 6,
  SETUID = 7,
  SETPCAP = 8,
  SYS_PTRACE = 19,
  SYS_ADMIN = 21,
}

/** Versions of the header, with the words that each set has. */
const VERSIONS: ReadonlyMap<number, number> = new Map([
  [0x19980330, 1],
  [0x20071026, 2],
  [0x20080522, 2],
]);
const PREFERRED = 0x20080522;
const SET_BYTES = 12;

/** Estimates from the source, within a third: no counted path goes here. */
const enum Cost {
  GET = 90,
  SET = 160,
}

/** capable: whether the effective set has it. */
export const capable = ({ current }: Kernel, capability: Cap): boolean =>
  ((current.cred.capEffective >> BigInt(capability)) & 1n) !== 0n;

/** cap_emulate_setxuid: what the ids before and after mean for the sets. */
export function capabilitiesAfter(old: Cred, now: Cred): Partial<Cred> {
  const wasRoot = [old.uid, old.euid, old.suid].includes(0);
  const isRoot = [now.uid, now.euid, now.suid].includes(0);
  const permitted = wasRoot && !isRoot ? 0n : old.capPermitted;
  let effective = permitted === 0n ? 0n : old.capEffective;
  if (old.euid === 0 && now.euid !== 0) effective = 0n;
  if (old.euid !== 0 && now.euid === 0) effective = permitted;
  return { capPermitted: permitted, capEffective: effective };
}

interface Header {
  readonly words: number;
  readonly task: Task;
}

/** cap_validate_magic and the process that is meant: a header, or what the call returns. */
function readHeader(kernel: Kernel, pointer: number, probes: boolean): Header | number {
  const bytes = new Uint8Array(8);
  if (copyFromUser(kernel, pointer, bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const words = VERSIONS.get(view.getUint32(0, true));
  if (words === undefined) {
    const preferred = new Uint8Array(Uint32Array.of(PREFERRED).buffer);
    if (putUser(kernel, pointer, preferred) < 0) return -Errno.EFAULT;
    // Asking with no place for an answer is how programs find the version out.
    return probes ? 0 : -Errno.EINVAL;
  }
  const pid = view.getInt32(4, true);
  if (pid < 0) return -Errno.EINVAL;
  const task = pid === 0 ? kernel.current : kernel.pids.tasks.get(pid);
  return task === undefined ? -Errno.ESRCH : { words, task };
}

export function sysCapget(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_capget, Cost.GET);
  const pointer = args.unsigned(1);
  const header = readHeader(kernel, args.unsigned(0), pointer === 0);
  if (typeof header === 'number') return header;
  if (pointer === 0) return 0;
  const { cred } = header.task;
  const bytes = new Uint8Array(SET_BYTES * header.words);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < header.words; word++) {
    [cred.capEffective, cred.capPermitted, cred.capInheritable].forEach((set, i) => {
      const part = Number((set >> BigInt(32 * word)) & 0xffff_ffffn);
      view.setUint32(SET_BYTES * word + 4 * i, part, true);
    });
  }
  return copyToUser(kernel, pointer, bytes);
}

export function sysCapset(kernel: Kernel, args: SyscallArguments): number {
  kernel.cpu.run(F.__x64_sys_capset, Cost.SET);
  const header = readHeader(kernel, args.unsigned(0), false);
  if (typeof header === 'number') return header;
  const { current } = kernel;
  if (header.task !== current) return -Errno.EPERM;
  const bytes = new Uint8Array(SET_BYTES * header.words);
  if (copyFromUser(kernel, args.unsigned(1), bytes) < 0) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  const [effective, permitted, inheritable] = [0, 1, 2].map((set) => {
    let value = 0n;
    for (let word = 0; word < header.words; word++) {
      const part = BigInt(view.getUint32(SET_BYTES * word + 4 * set, true));
      value |= part << BigInt(32 * word);
    }
    return value & ALL_CAPABILITIES;
  });
  return setCapabilities(kernel, { effective, permitted, inheritable });
}

/** cap_capset: nothing is gained, and nothing is in effect that is not permitted. */
function setCapabilities(
  kernel: Kernel,
  sets: { readonly effective: bigint; readonly permitted: bigint; readonly inheritable: bigint },
): number {
  const old = kernel.current.cred;
  const within = (set: bigint, limit: bigint): boolean => (set & ~limit) === 0n;
  const inheritableLimit = capable(kernel, Cap.SETPCAP)
    ? ALL_CAPABILITIES
    : old.capInheritable | old.capPermitted;
  if (!within(sets.inheritable, inheritableLimit)) return -Errno.EPERM;
  if (!within(sets.permitted, old.capPermitted)) return -Errno.EPERM;
  if (!within(sets.effective, sets.permitted)) return -Errno.EPERM;
  const copy = prepareCreds(kernel, old);
  if (copy === null) return -Errno.ENOMEM;
  kernel.cpu.run(F.commit_creds, 105);
  kernel.current.cred = {
    ...copy,
    capEffective: sets.effective,
    capPermitted: sets.permitted,
    capInheritable: sets.inheritable,
  };
  putCred(kernel, old);
  return 0;
}
