/**
 * Where the kernel lives in virtual memory: after Linux 6.1 Documentation/x86/x86_64/mm.rst,
 * four-level paging, with the bases of `nokaslr`. Each region lies inside one 4 GiB stretch, so an
 * address is its region's high half and a 32-bit offset. Omits: KASLR, five-level paging.
 */

/** Upper 32 bits of the virtual addresses of a region. */
export const enum High {
  /** Direct map of physical memory: low half = physical address. */
  DIRECT = 0xffff8880,
  /** vmalloc, kernel stacks. */
  VMALLOC = 0xffffc900,
  /** struct page array. */
  VMEMMAP = 0xffffea00,
  /** cpu_entry_area: TSS, entry stack, GDT, IDT. */
  ENTRY_AREA = 0xfffffe00,
  /** Kernel image: text, data, bss. */
  IMAGE = 0xffffffff,
}

/** Lower 32 bits of where things start in their region. */
export const enum Low {
  TEXT = 0x81000000,
  DATA = 0x82000000,
  /** Data that functions have to themselves. */
  FUNCTION_DATA = 0x82400000,
  IMAGE_END = 0x83000000,
  STACKS = 0,
  ENTRY_AREA = 0,
}

/** Physical address of the kernel image: CONFIG_PHYSICAL_START. */
export const IMAGE_PHYSICAL = 0x1000000;
export const IMAGE_BYTES = Low.IMAGE_END - Low.TEXT;

/** Bytes of a struct page. */
export const PAGE_STRUCT_BYTES = 64;
/** THREAD_SIZE, with VMAP_STACK followed by a guard area of the same size. */
export const THREAD_BYTES = 16384;

/** First address that user space cannot have (four-level paging). */
export const TASK_SIZE = 0x7ffffffff000;

/** Offsets in the kernel's data section of objects that several functions touch. */
export const enum ImageData {
  SYS_CALL_TABLE = 0x82000300,
  /** struct kmem_cache, 256 bytes for each of up to 64. */
  KMEM_CACHES = 0x82202000,
  JIFFIES = 0x82206980,
  TK_CORE = 0x82207000,
  INIT_USER_NS = 0x82208000,
  INIT_UTS_NS = 0x82208400,
  INIT_PID_NS = 0x82208800,
  SECURITY_HOOKS = 0x8220a000,
  MEMCG_ROOT = 0x8220c000,
  NODE_DATA = 0x8220d000,
  FUTEX_QUEUES = 0x82210000,
  RANDOM_STATE = 0x8220e000,
  AVENRUN = 0x8220e800,
  VM_STAT = 0x8220f000,
  PROTECTION_MAP = 0x8220f800,
}

/** Offsets in a CPU's per-CPU area (pcpu_hot, rcu_data, vm events, runqueue ...). */
export const enum PerCpu {
  CURRENT = 0x000,
  PREEMPT_COUNT = 0x008,
  SCRATCH_RSP = 0x040,
  CR3_STATE = 0x080,
  FPU_OWNER = 0x0c0,
  RCU_DATA = 0x100,
  VM_EVENTS = 0x200,
  MEMCG_STATS = 0x300,
  PAGE_LISTS = 0x400,
  LRU_BATCH = 0x800,
  RUN_QUEUE = 0xa00,
  HRTIMER_BASES = 0x1200,
  TIMER_WHEEL = 0x1400,
  TICK_DEVICE = 0x1500,
  CPU_TIMES = 0x1580,
  CRNG = 0x1600,
  /** struct kmem_cache_cpu, 32 bytes for each of up to 64. */
  SLAB_CACHES = 0x1800,
  BYTES = 0x2000,
}
