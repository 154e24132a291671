/** sethostname and setdomainname, after Linux 6.1 kernel/sys.c; the names are in kernel.uts. Omits: namespaces. */
import type { SyscallArguments } from '../arch/x86/entry/syscall-arguments.ts';
import { copyFromUser } from '../arch/x86/lib/usercopy.ts';
import { ImageData } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import type { Kernel } from '../init/kernel.ts';
import { Cap, capable } from './capability.ts';

/** __NEW_UTS_LEN: bytes of a name without its end. */
const NAME_BYTES_MAX = 64;

/** An estimate from the source, within a third: no counted path goes here. */
const COST = 110;

function setName(kernel: Kernel, args: SyscallArguments, field: 'nodename' | 'domainname'): number {
  const { cpu, uts } = kernel;
  cpu.run(F.__x64_sys_sethostname, COST);
  if (!capable(kernel, Cap.SYS_ADMIN)) return -Errno.EPERM;
  const length = args.int(1);
  if (length < 0 || length > NAME_BYTES_MAX) return -Errno.EINVAL;
  const bytes = new Uint8Array(length);
  if (copyFromUser(kernel, args.unsigned(0), bytes) < 0) return -Errno.EFAULT;
  cpu.writeImage(ImageData.INIT_UTS_NS);
  const end = bytes.indexOf(0);
  uts[field] = String.fromCharCode(...bytes.subarray(0, end < 0 ? length : end));
  return 0;
}

export const sysSethostname = (kernel: Kernel, args: SyscallArguments): number =>
  setName(kernel, args, 'nodename');

export const sysSetdomainname = (kernel: Kernel, args: SyscallArguments): number =>
  setName(kernel, args, 'domainname');
