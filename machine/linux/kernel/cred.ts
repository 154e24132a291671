/**
 * Who a task is, after Linux 6.1 kernel/cred.c and include/linux/cred.h. Omits: keyrings, security modules.
 */
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Cred } from '../include/linux/sched.ts';
import type { PageSource } from '../mm/page_alloc.ts';
import type { KmemCaches } from '../mm/slab_common.ts';

/** CAP_FULL_SET: all 41. */
export const ROOT_CAPABILITIES = (1n << 41n) - 1n;

type CredSource = PageSource & { readonly caches: KmemCaches };

/** The credentials of init: root's, with no groups. Null without memory. */
export function initCred(source: CredSource): Cred | null {
  const address = source.caches.cred.allocate(source);
  if (address < 0) return null;
  return {
    address,
    // The one user's accounts lie beside its credentials.
    userAddress: address + 128,
    references: 1,
    uid: 0,
    gid: 0,
    euid: 0,
    egid: 0,
    suid: 0,
    sgid: 0,
    fsuid: 0,
    fsgid: 0,
    groups: [],
    capEffective: ROOT_CAPABILITIES,
    capPermitted: ROOT_CAPABILITIES,
    capInheritable: 0n,
  };
}

/** prepare_creds: a copy to be changed, or null without memory. */
export function prepareCreds(source: CredSource, from: Cred): Cred | null {
  const { cpu, caches } = source;
  cpu.run(F.prepare_creds, 62);
  cpu.read(from.address);
  const address = caches.cred.allocate(source);
  return address < 0 ? null : { ...from, address, references: 1 };
}

/** get_cred */
export function getCred(cred: Cred): Cred {
  cred.references++;
  return cred;
}

/** put_cred: the last user frees it after a grace period, at nobody's expense. */
export function putCred({ caches }: CredSource, cred: Cred): void {
  cred.references--;
  if (cred.references === 0) caches.cred.freeQuietly(cred.address);
}
