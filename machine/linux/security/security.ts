/**
 * The security hooks on the way, after Linux 6.1 security/security.c with AppArmor (unconfined),
 * TOMOYO and the BPF LSM, as Debian builds it. Costs only: everything is allowed.
 */
import { ImageData } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';
import { rcuReadLock, rcuReadUnlock } from '../kernel/rcu/tree_plugin.ts';

/** rw_verify_area and security_file_permission for a read or a write. */
export function verifyArea(kernel: Kernel, file: FileStruct, forRead: boolean): void {
  kernel.cpu.run(F.rw_verify_area, file.operations.stream ? 12 : 17);
  securityFilePermission(kernel, file, forRead);
}

export function securityFilePermission(kernel: Kernel, file: FileStruct, forRead: boolean): void {
  const { cpu, current } = kernel;
  cpu.run(F.security_file_permission, forRead ? 38 : 36);
  cpu.indirect(2);
  cpu.readImage(ImageData.SECURITY_HOOKS);
  cpu.run(F.apparmor_file_permission, 40);
  cpu.read(file.inode.address);
  cpu.read(current.cred.address);
  cpu.run(F.aa_file_perm, 37);
  rcuReadLock(cpu);
  rcuReadUnlock(cpu);
  cpu.run(F.bpf_lsm_file_permission, 3);
  if (forRead) cpu.run(F.fsnotify_perm, 23);
}

function tomoyoRequest({ cpu }: Kernel): void {
  cpu.run(F.tomoyo_init_request_info, 33);
  cpu.run(F.tomoyo_domain, 9);
}

export function securityInodeGetattr(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.security_inode_getattr, 42);
  cpu.indirect(3);
  cpu.readImage(ImageData.SECURITY_HOOKS + 64);
  cpu.run(F.apparmor_inode_getattr, 5);
  cpu.run(F.common_perm_cond, 61);
  cpu.run(F.tomoyo_inode_getattr, 5);
  cpu.run(F.tomoyo_path_perm, 50);
  tomoyoRequest(kernel);
  cpu.run(F.bpf_lsm_inode_getattr, 3);
}

export function securityFileIoctl(kernel: Kernel): void {
  const { cpu } = kernel;
  cpu.run(F.security_file_ioctl, 40);
  cpu.indirect(2);
  cpu.readImage(ImageData.SECURITY_HOOKS + 128);
  cpu.run(F.tomoyo_file_ioctl, 5);
  cpu.run(F.tomoyo_path_number_perm, 48);
  tomoyoRequest(kernel);
  cpu.run(F.bpf_lsm_file_ioctl, 3);
}
