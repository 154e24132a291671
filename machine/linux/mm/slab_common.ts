/** The caches of the objects that the model allocates, after Linux 6.1 mm/slab_common.c, with its sizes on x86-64. */
import { KmemCache } from './slub.ts';

export class KmemCaches {
  readonly task = new KmemCache('task_struct', 6400, 0);
  readonly mm = new KmemCache('mm_struct', 1024, 1);
  readonly vma = new KmemCache('vm_area_struct', 200, 2);
  readonly mapleNode = new KmemCache('maple_node', 256, 3);
  readonly anonVma = new KmemCache('anon_vma', 96, 4, true);
  readonly anonVmaChain = new KmemCache('anon_vma_chain', 64, 5);
  readonly file = new KmemCache('filp', 256, 6);
  readonly inode = new KmemCache('inode_cache', 640, 7);
  readonly signal = new KmemCache('signal_cache', 1152, 8);
  readonly pid = new KmemCache('pid', 128, 9);
  readonly cred = new KmemCache('cred_jar', 192, 10);
  readonly filesStruct = new KmemCache('files_cache', 704, 11);
  readonly names = new KmemCache('names_cache', 4096, 12);
  readonly sigqueue = new KmemCache('sigqueue', 80, 13);

  get all(): readonly KmemCache[] {
    return Object.values(this).filter((value) => value instanceof KmemCache);
  }
}
