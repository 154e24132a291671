/**
 * Reading and writing regular files in memory, after Linux 6.1 mm/shmem.c and mm/filemap.c
 * (generic_perform_write). Omits: swap, quotas, sealing of anything but memfds.
 */
import { High } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { runSteps, type Steps } from '../arch/x86/model/steps.ts';
import { touchAtime, fileUpdateTime } from '../fs/inode.ts';
import type { FileOperations, FileStruct } from '../include/linux/fs.ts';
import type { MappedFile } from '../include/linux/mm_types.ts';
import { Errno } from '../include/uapi/asm-generic/errno.ts';
import { O } from '../include/uapi/asm-generic/fcntl.ts';
import type { Kernel } from '../init/kernel.ts';
import { downWrite, upWrite } from '../kernel/locking/rwsem.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { MachineBug } from '../../core/assert.ts';
import { copyPageToIter, type IovIter } from '../lib/iov_iter.ts';
import { shmemReadPage, shmemWritePage } from './shmem-pages.ts';

/** MAX_LFS_FILESIZE, as far as a double counts exactly. */
export const FILE_BYTES_MAX = 2 ** 53 - 4096;

const WRITE_CHECKS: Steps = [
  [F.generic_write_checks, 38],
  [F.generic_write_check_limits, 25],
];
const WRITE_START: Steps = [
  [F.__generic_file_write_iter, 41],
  [F.inode_to_bdi, 8],
  [F.file_remove_privs, 3],
  [F.__file_remove_privs, 29],
];
const WRITE_END: Steps = [
  [F.shmem_write_end, 37],
  [F.set_page_dirty, 6],
  [F.folio_mark_dirty, 15, 1, 1],
  [F.folio_mapping, 15],
  [F.noop_dirty_folio, 6],
  [F.unlock_page, 6],
  [F.folio_unlock, 4],
];
const BALANCE: Steps = [
  [F.balance_dirty_pages_ratelimited, 3],
  [F.balance_dirty_pages_ratelimited_flags, 18],
  [F.inode_to_bdi, 8],
];

export function mappingOf(file: FileStruct): MappedFile {
  const { mapping } = file.inode;
  if (mapping === null) throw new MachineBug('a regular file has contents');
  return mapping;
}

/** shmem_file_read_iter */
function readIter(kernel: Kernel, file: FileStruct, iter: IovIter, position: number): number {
  const { cpu } = kernel;
  const mapping = mappingOf(file);
  let done = 0;
  let pages = 0;
  while (iter.count > 0 && position + done < mapping.size) {
    const at = position + done;
    const inPage = at % PAGE_BYTES;
    const available = Math.min(PAGE_BYTES - inPage, mapping.size - at);
    const wanted = Math.min(available, iter.count);
    const copied = readPage(kernel, mapping, iter, { at, inPage, available });
    pages++;
    done += copied;
    if (copied < wanted) {
      if (done === 0) return -Errno.EFAULT;
      break;
    }
    if (pages > 1) condResched(cpu);
  }
  cpu.run(F.shmem_file_read_iter, 45 + 75 * Math.max(1, pages));
  cpu.stack(384, 2);
  touchAtime(kernel, file.inode);
  return done;
}

interface PagePart {
  readonly at: number;
  readonly inPage: number;
  readonly available: number;
}

const ZEROS = new Uint8Array(PAGE_BYTES);

/** Copies from one page; holes are read as zeros. Returns bytes. */
function readPage(kernel: Kernel, mapping: MappedFile, iter: IovIter, part: PagePart): number {
  const { cpu } = kernel;
  const frame = shmemReadPage(kernel, mapping, Math.floor(part.at / PAGE_BYTES));
  if (frame < 0) return iter.copyTo(kernel, ZEROS.subarray(0, part.available));
  cpu.run(F.folio_unlock, 4);
  cpu.run(F.PageHeadHuge, 6);
  cpu.run(F.folio_mark_accessed, 12);
  return copyPageToIter(kernel, iter, (frame << PAGE_SHIFT) + part.inPage, part.available);
}

/** generic_file_write_iter: under the inode's lock. */
function writeIter(kernel: Kernel, file: FileStruct, iter: IovIter, position: number): number {
  const { cpu } = kernel;
  const { inode } = file;
  cpu.run(F.generic_file_write_iter, 43);
  downWrite(cpu, inode.address + 128);
  runSteps(cpu, WRITE_CHECKS);
  const append = (file.flags & O.APPEND) !== 0;
  const start = append ? mappingOf(file).size : position;
  let result = 0;
  if (iter.count > 0) {
    runSteps(cpu, WRITE_START);
    fileUpdateTime(kernel, inode);
    result = performWrite(kernel, file, iter, start);
    // The caller adds the result to the position that it knows.
    if (append && result > 0) file.position = start;
  }
  upWrite(cpu, inode.address + 128);
  return result;
}

/** generic_perform_write: page by page. */
function performWrite(kernel: Kernel, file: FileStruct, iter: IovIter, start: number): number {
  const { cpu } = kernel;
  const mapping = mappingOf(file);
  if (start >= FILE_BYTES_MAX) return -Errno.EFBIG;
  let done = 0;
  let pages = 0;
  let error = 0;
  while (iter.count > 0) {
    const at = start + done;
    const inPage = at % PAGE_BYTES;
    const wanted = Math.min(PAGE_BYTES - inPage, iter.count);
    cpu.run(F.fault_in_iov_iter_readable, 24);
    cpu.run(F.fault_in_readable, 38);
    cpu.run(F.shmem_write_begin, 56);
    const index = Math.floor(at / PAGE_BYTES);
    const frame = shmemWritePage(kernel, mapping, index);
    cpu.run(F.PageHeadHuge, 6);
    pages++;
    if (frame < 0) {
      error = -Errno.ENOSPC;
      break;
    }
    const copied = writePage(kernel, iter, (frame << PAGE_SHIFT) + inPage, wanted);
    if (at + copied > mapping.size) mapping.size = at + copied;
    done += copied;
    if (copied < wanted) {
      error = -Errno.EFAULT;
      break;
    }
  }
  cpu.run(F.generic_perform_write, 43 + 66 * Math.max(1, pages));
  return done > 0 ? done : error;
}

function writePage(kernel: Kernel, iter: IovIter, physical: number, bytes: number): number {
  const { cpu, memory } = kernel;
  cpu.run(F.copy_page_from_iter_atomic, 79);
  cpu.run(F.page_copy_sane, 11);
  cpu.stream('write', physical, High.DIRECT, bytes);
  const copied = iter.copyFrom(kernel, memory.bytes.subarray(physical, physical + bytes));
  memory.written(physical);
  runSteps(cpu, WRITE_END);
  condResched(cpu);
  runSteps(cpu, BALANCE);
  return copied;
}

export const SHMEM_FILE: FileOperations = {
  kind: 'regular',
  stream: false,
  plain: false,
  read: readIter,
  write: writeIter,
  size: (file) => mappingOf(file).size,
};
