/** Mapping of user and group ids, after Linux 6.1 kernel/user_namespace.c: the initial namespace. */
import { ImageData } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { Kernel } from '../init/kernel.ts';

/** map_id_up: one extent, the identity. */
export function mapId({ cpu }: Kernel): void {
  cpu.run(F.map_id_up, 35);
  cpu.readImage(ImageData.INIT_USER_NS);
}
