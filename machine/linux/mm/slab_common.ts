/** The caches of the objects that the model allocates, after Linux 6.1 mm/slab_common.c, with its sizes on x86-64. */
import { ACCOUNTED_CACHES } from './slab-accounting.ts';
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

  readonly sighand = new KmemCache('sighand_cache', 2112, 31);
  readonly dentry = new KmemCache('dentry', 192, 14);
  readonly shmemInode = new KmemCache('shmem_inode_cache', 760, 15);
  readonly fsStruct = new KmemCache('fs_cache', 56, 16);
  readonly fileSecurity = new KmemCache('apparmor_file_cache', 32, 17);
  readonly inodeSecurity = new KmemCache('lsm_inode_cache', 112, 18);
  readonly epitem = new KmemCache('eventpoll_epi', 128, 19);
  readonly pwq = new KmemCache('eventpoll_pwq', 64, 20);
  /** kmalloc: eventfd, eventpoll, pipe_inode_info, timerfd, the ring of pipe buffers. */
  readonly kmalloc96 = new KmemCache('kmalloc-96', 96, 21);
  readonly kmalloc192 = new KmemCache('kmalloc-192', 192, 22);
  readonly kmalloc256 = new KmemCache('kmalloc-256', 256, 32);
  readonly ioKiocb = new KmemCache('io_kiocb', 224, 24);
  readonly kmalloc1k = new KmemCache('kmalloc-1k', 1024, 23);

  /** `accounting`: objects are charged to memory control groups, as Linux says of each cache. */
  constructor(accounting: boolean) {
    if (!accounting) return;
    for (const cache of this.all) cache.accounted = ACCOUNTED_CACHES.has(cache.name);
  }

  get all(): readonly KmemCache[] {
    return Object.values(this).filter((value) => value instanceof KmemCache);
  }
}
