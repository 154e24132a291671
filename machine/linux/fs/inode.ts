/** Time stamps of inodes, after Linux 6.1 fs/inode.c. The stamps themselves are not kept. */
import { ImageData } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileStruct } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';

/** file_update_time of a file whose stamp is of this very tick. */
export function fileUpdateTime({ cpu }: Kernel, file: FileStruct): void {
  cpu.run(F.file_update_time, 34);
  cpu.read(file.inode + 192);
  cpu.run(F.current_time, 44);
  cpu.run(F.ktime_get_coarse_real_ts64, 15);
  cpu.readImage(ImageData.TK_CORE);
  cpu.run(F.inode_needs_update_time, 20);
}
