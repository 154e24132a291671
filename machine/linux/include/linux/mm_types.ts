/** Address spaces, after Linux 6.1 include/linux/mm_types.h and mm.h. */
import type { Kernel } from '../../init/kernel.ts';

/** vm_flags */
export const enum Vm {
  NONE = 0,
  READ = 0x1,
  WRITE = 0x2,
  EXEC = 0x4,
  SHARED = 0x8,
  MAYREAD = 0x10,
  MAYWRITE = 0x20,
  MAYEXEC = 0x40,
  MAYSHARE = 0x80,
  GROWSDOWN = 0x100,
  PFNMAP = 0x400,
  IO = 0x4000,
  LOCKED = 0x2000,
  SEQ_READ = 0x8000,
  RAND_READ = 0x10000,
  DONTCOPY = 0x20000,
  DONTEXPAND = 0x40000,
  LOCKONFAULT = 0x80000,
  ACCOUNT = 0x100000,
  NORESERVE = 0x200000,
  HUGETLB = 0x400000,
  WIPEONFORK = 0x2000000,
  DONTDUMP = 0x4000000,
  MIXEDMAP = 0x10000000,
  HUGEPAGE = 0x20000000,
  NOHUGEPAGE = 0x40000000,
  /** READ | WRITE | EXEC */
  ACCESS = 0x7,
}

/** address_space: the contents of a file whose pages can be mapped, as a page cache. */
export interface MappedFile {
  readonly path: string;
  /** i_size */
  size: number;
  /** Contents of pages that have no frame yet; what lies beyond is a hole. */
  bytes: Uint8Array;
  /** Frame of each cached page, by page index. The cache holds each of them. */
  readonly pages: Map<number, number>;
  /** i_mmap: mappings of it, in every address space. */
  mappings: number;
  /** Called when the last mapping of a file goes that nothing else keeps (shared memory). */
  unmapped?: (kernel: Kernel) => void;
}

/** A mapping of frames that belong to the kernel (vDSO, vvar). */
export interface SpecialMapping {
  readonly name: string;
  /** Frame of each page; -1 where a touch is a SIGBUS. */
  readonly frames: readonly number[];
}

/** anon_vma: the private pages that one mapping and its copies in forked children may hold. */
export interface AnonVma {
  /** Physical address of the object. */
  readonly address: number;
  /** What it was forked from. While a descendant lives, its ancestors' objects live too. */
  readonly parent: AnonVma | null;
  /** Who keeps the object: its own tree of mappings, and its descendants if it is a root. */
  refs: number;
  /** Chains in its interval tree. */
  chains: number;
  /** Forked anon_vmas below it, itself included when it is a root. */
  children: number;
  /** Mappings whose anon_vma it is. */
  activeVmas: number;
}

/** anon_vma_chain: one mapping in the tree of one anon_vma. */
export interface AnonVmaChain {
  /** Physical address of the object. */
  readonly address: number;
  readonly anonVma: AnonVma;
}

/** vm_area_struct */
export interface Vma {
  start: number;
  end: number;
  /** Vm bits. */
  flags: number;
  file: MappedFile | null;
  special: SpecialMapping | null;
  /** Offset of `start` in pages: of the file, or of the address space when anonymous. */
  pgoff: number;
  /** Null before the first write fault. */
  anonVma: AnonVma | null;
  /** Every anon_vma whose pages it may hold: its own and those it was forked from. */
  anonChains: AnonVmaChain[];
  /** `[stack]`, `[heap]` and the like; empty for others. */
  name: string;
  /** Physical address of the object. */
  readonly address: number;
}

/** The mappings of an address space in order of address; lib/maple_tree.ts has the tree. */
export interface VmaSet {
  /** Changed only through insert() and remove(). */
  readonly list: Vma[];
  /** Physical addresses of the tree's nodes: the root, then the leaves. */
  readonly nodes: number[];
  /** Slots in use: every mapping, and the gap before it where there is one. */
  readonly entries: number;
  /** Index of the first mapping that ends above `address`; list.length when there is none. */
  indexAbove(address: number): number;
  /** find_vma: the first mapping that ends above `address`. */
  find(address: number): Vma | undefined;
  insert(vma: Vma): void;
  remove(vma: Vma): void;
}

/** mm_struct */
export interface MmStruct {
  /** Physical address of the object. */
  readonly address: number;
  readonly vmas: VmaSet;
  /** mm_users: tasks that share the address space (CLONE_VM) and others that look at it. */
  users: number;
  /** Physical address of the top page table (with PTI, the kernel's copy; the user's is next). */
  readonly pgd: number;
  /** What CR3 points to: pgd itself, or with five levels the table above it. */
  readonly top: number;
  /** Address space number for the PCID; 0 when PCIDs are off. */
  readonly asid: number;
  mmapBase: number;
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  startBrk: number;
  brk: number;
  startStack: number;
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
  /** Pages: all, private writable ones (RLIMIT_DATA), locked ones. */
  totalVm: number;
  dataVm: number;
  lockedVm: number;
  /** Vm.LOCKED and Vm.LOCKONFAULT of mappings to come (mlockall(MCL_FUTURE)). */
  defaultFlags: number;
  /** Huge pages of private mappings that are promised but not touched, by address. */
  readonly hugeReserves: Set<number>;
  /** Commands that membarrier was registered for, as bits of its MEMBARRIER_CMD_ numbers. */
  membarriers: number;
  rss: number;
  rssMax: number;
  /** MMF_OOM_VICTIM: killed for its memory. */
  oomVictim: boolean;
  /** Page tables in use, the top one excluded. */
  tables: number;
  /** Frames of tables that are kept for splitting huge pages, one for each. */
  readonly deposits: number[];
  /** Bumped whenever an entry changes or goes: cached translations are void. */
  generation: number;
  /** Frames waiting in the LRU batch, which the next drain moves. */
  lruBatch: number;
  vdso: number;
  /** Path of the program: exe_file. */
  exeFile: string;
}
