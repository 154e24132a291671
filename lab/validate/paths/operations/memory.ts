/** Operations on address spaces: mapping, protecting, faulting. */
import { byte, registers } from '../../../../workloads/lib/assembly.ts';
import { all, call, type Emit, keep } from '../emit.ts';
import { operation, type PathOperation } from '../operation.ts';

const { r12, r14, rax, rbx } = registers;
const PAGE = 4096;
const FAR = 0x10000000000;
const READ = 1;
const READ_WRITE = 3;
const PRIVATE_ANONYMOUS = 0x22;
const SHARED = 1;
const PRIVATE = 2;
const MADV_DONTNEED = 4;
const O_RDWR_CREAT = 0o102;

const map = (pages: number, prot = READ_WRITE): Emit =>
  call('mmap', FAR, pages * PAGE, prot, PRIVATE_ANONYMOUS, -1, 0);
const unmap = (pages: number): Emit => call('munmap', FAR, pages * PAGE);

const HUGE_PAGES = 512;
const MADV_HUGEPAGE = 14;
/** Room for one huge page. */
const mapHuge: Emit = all(map(HUGE_PAGES), call('madvise', FAR, HUGE_PAGES * PAGE, MADV_HUGEPAGE));

/** Writes one byte of each page from FAR. */
const touch =
  (pages: number, first = 0): Emit =>
  ({ guest }) => {
    const { asm } = guest;
    asm.mov(rax, FAR + first * PAGE);
    guest.repeat(registers.rcx, pages, () => {
      asm.mov(byte(rax), 1);
      asm.add(rax, PAGE);
    });
  };

/** r14 walks over the mapping, a page for each repetition. */
const walk: Emit = ({ guest: { asm } }) => {
  asm.mov(r14, FAR + PAGE);
};
const nextPage: Emit = ({ guest: { asm } }) => {
  asm.add(r14, PAGE);
};
const store: Emit = ({ guest: { asm } }) => {
  asm.mov(byte(r14), 1);
};
const fetch: Emit = ({ guest: { asm } }) => {
  asm.mov(registers.bl, byte(r14));
};
const WALKED = 64;

/** A tmpfs file of 64 pages in r12, its pages in the cache. */
const file: Emit = all(
  ({ guest, path }) => {
    guest.syscall('open', path('/tmp/mapped'), O_RDWR_CREAT, 0o600);
    guest.asm.mov(r12, rax);
  },
  ...Array.from({ length: 4 }, (_, i) => call('pwrite64', r12, 'buffer', 16 * PAGE, i * 16 * PAGE)),
);

const growTo =
  (pages: number): Emit =>
  ({ guest }) => {
    guest.asm.lea(registers.rdi, { ...byte(rbx, pages * PAGE), bytes: 0 });
    guest.syscall('brk');
  };
const heapStart = keep(rbx, 'brk', 0);

export const MEMORY: readonly PathOperation[] = [
  operation('mmap_anon_4k_newvma', map(1), { after: unmap(1) }),
  operation('mmap_anon_1m_newvma', map(256), { after: unmap(256) }),
  operation(
    'mmap_anon_4k_merge',
    keep(r12, 'mmap', 0, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0),
    {
      setup: call('mmap', 0, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0),
      after: call('munmap', r12, PAGE),
    },
  ),
  operation('fault_thp_write_2m', touch(1), { before: mapHuge, after: unmap(HUGE_PAGES) }),
  operation('munmap_thp_2m', unmap(HUGE_PAGES), { before: all(mapHuge, touch(1)) }),
  operation('munmap_4k_untouched', unmap(1), { before: map(1) }),
  operation('munmap_touched_1', unmap(1), { before: all(map(1), touch(1)) }),
  operation('munmap_touched_256', unmap(256), { before: all(map(256), touch(256)) }),
  operation('madvise_dontneed_1', call('madvise', FAR + PAGE, PAGE, MADV_DONTNEED), {
    setup: all(map(4), touch(4)),
    before: touch(1, 1),
  }),
  operation('madvise_dontneed_256', call('madvise', FAR, 256 * PAGE, MADV_DONTNEED), {
    setup: map(256),
    before: touch(256),
  }),
  operation('mprotect_1page_to_ro', call('mprotect', FAR, PAGE, READ), {
    setup: all(map(1), touch(1)),
    after: call('mprotect', FAR, PAGE, READ_WRITE),
  }),
  operation('mprotect_1page_to_rw', call('mprotect', FAR, PAGE, READ_WRITE), {
    setup: all(map(1), touch(1)),
    before: call('mprotect', FAR, PAGE, READ),
  }),
  operation('mprotect_split_middle_of16', call('mprotect', FAR + 8 * PAGE, PAGE, READ), {
    setup: all(map(16), touch(16)),
    after: call('mprotect', FAR + 8 * PAGE, PAGE, READ_WRITE),
  }),
  operation('mprotect_merge_back', call('mprotect', FAR + 8 * PAGE, PAGE, READ_WRITE), {
    setup: all(map(16), touch(16)),
    before: call('mprotect', FAR + 8 * PAGE, PAGE, READ),
  }),
  operation('brk_grow_4k', growTo(2), {
    setup: heapStart,
    before: growTo(1),
  }),
  operation('brk_shrink_4k_untouched', growTo(1), { setup: heapStart, before: growTo(2) }),
  operation('fault_anon_write', store, {
    setup: all(map(WALKED), touch(1), walk),
    after: nextPage,
  }),
  operation('fault_anon_read_zeropage', fetch, {
    setup: all(map(WALKED), walk),
    after: nextPage,
  }),
  operation('fault_anon_write_after_zeropage', store, {
    setup: all(map(WALKED), touch(1), walk),
    before: fetch,
    after: nextPage,
  }),
  operation('fault_anon_write_new_pagetable', touch(1), {
    before: map(4),
    after: unmap(4),
  }),
  operation('mmap_file_4k_tmpfs', call('mmap', FAR, PAGE, READ, SHARED, r12, 0), {
    setup: file,
    after: unmap(1),
  }),
  operation('fault_filemap_shared_read_tmpfs_faultaround', fetch, {
    setup: all(file, walk),
    before: all(call('mmap', FAR, 64 * PAGE, READ_WRITE, SHARED, r12, 0), walk),
    after: unmap(64),
  }),
  operation('fault_filemap_shared_write_tmpfs', store, {
    setup: all(file, walk),
    before: all(call('mmap', FAR, 64 * PAGE, READ_WRITE, SHARED, r12, 0), walk),
    after: unmap(64),
  }),
  operation('fault_filemap_private_write_ext4', store, {
    setup: all(file, walk),
    before: all(call('mmap', FAR, 64 * PAGE, READ_WRITE, PRIVATE, r12, 0), walk),
    after: unmap(64),
  }),
];
