/** The one linear memory that a machine lives in: its regions, views and the arena allocator. */
import { assert, MachineBug } from '../../core/assert.ts';
import { Header, Region } from '../layout.ts';

const WASM_PAGE_BYTES = 0x10000;
const PAGE_BYTES = 0x1000;
/** 2^32 less one page: the largest WebAssembly memory whose size is itself a 32-bit number. */
const LINEAR_BYTES_MAX = 0xffff0000;
const ARENA_BYTES_DEFAULT = 96 << 20;

export interface LinearMemoryOptions {
  readonly cpus: number;
  /** Guest physical memory; a multiple of 4096. */
  readonly guestBytes: number;
  /** Room for what Arena hands out besides the per-page and per-line tables. */
  readonly arenaBytes?: number;
}

/** Hands out addresses below guest memory; nothing is ever given back. */
export class Arena {
  private next: number;
  private readonly end: number;

  constructor(begin: number, end: number) {
    this.next = begin;
    this.end = end;
  }

  /** Address of `bytes` zero bytes, aligned to `alignment` (a power of two). */
  allocate(bytes: number, alignment = 16): number {
    const address = Math.ceil(this.next / alignment) * alignment;
    if (address + bytes > this.end) {
      throw new MachineBug(`arena full: ${String(bytes)} bytes do not fit`);
    }
    this.next = address + bytes;
    return address;
  }

  get free(): number {
    return this.end - this.next;
  }
}

/** Linear address of guest physical address 0: after the CPU blocks, the tables and the arena. */
function guestBaseOf(cpus: number, guestBytes: number, arenaBytes = ARENA_BYTES_DEFAULT): number {
  const arenaBegin = Region.CPU_BLOCKS + cpus * Region.CPU_BLOCK_BYTES;
  // One byte per page, and with several CPUs 12 bytes per line for the coherence directory.
  const tables = guestBytes / PAGE_BYTES + (cpus > 1 ? (guestBytes / 64) * 12 : 0);
  return Math.ceil((arenaBegin + tables + arenaBytes) / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
}

/** Bytes of linear memory that a machine takes. */
export function linearBytes(cpus: number, guestBytes: number, arenaBytes?: number): number {
  const end = guestBaseOf(cpus, guestBytes, arenaBytes) + guestBytes;
  return Math.ceil(end / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
}

export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  readonly arena: Arena;
  readonly cpus: number;
  /** Linear address of guest physical address 0. */
  readonly guestBase: number;
  readonly guestBytes: number;
  /** Address of the code page bytes; see CodePage. */
  readonly codePages: number;
  /** Views of the whole memory, which never grows. */
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  readonly f64: Float64Array;
  readonly data: DataView;

  constructor(options: LinearMemoryOptions) {
    const { cpus, guestBytes } = options;
    assert(guestBytes > 0 && guestBytes % PAGE_BYTES === 0, 'guest memory is whole pages');
    const arenaBegin = Region.CPU_BLOCKS + cpus * Region.CPU_BLOCK_BYTES;
    this.guestBase = guestBaseOf(cpus, guestBytes, options.arenaBytes);
    const total = linearBytes(cpus, guestBytes, options.arenaBytes);
    assert(total <= LINEAR_BYTES_MAX, 'the machine fits 4 GiB of linear memory');
    const pages = total / WASM_PAGE_BYTES;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.cpus = cpus;
    this.guestBytes = guestBytes;
    this.arena = new Arena(arenaBegin, this.guestBase);

    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.data = new DataView(buffer);

    this.codePages = this.arena.allocate(guestBytes / PAGE_BYTES);
    this.i32[(Region.HEADER + Header.GUEST_BASE) >> 2] = this.guestBase;
    this.i64[(Region.HEADER + Header.GUEST_BYTES) >> 3] = BigInt(guestBytes);
    this.i32[(Region.HEADER + Header.CODE_PAGES) >> 2] = this.codePages;
  }

  /** Linear address of a CPU's block. */
  cpuBlock(cpu: number): number {
    assert(cpu >= 0 && cpu < this.cpus, 'CPU exists');
    return Region.CPU_BLOCKS + cpu * Region.CPU_BLOCK_BYTES;
  }
}
