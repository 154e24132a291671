/** The smallest static ELF programs that exercise the loader. */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;

export interface TinySegment {
  readonly address: number;
  readonly offset: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly flags: number;
}

export interface TinyElfOptions {
  /** 2 ET_EXEC, 3 ET_DYN. */
  readonly type?: number;
  readonly entry?: number;
  readonly segments?: readonly TinySegment[];
  readonly bytes?: number;
}

const BASE = 0x400000;

/** Text at 0x400000, data at 0x401000 with a bss of two more pages. */
export const TINY_SEGMENTS: readonly TinySegment[] = [
  { address: BASE, offset: 0, fileBytes: 0x1000, memoryBytes: 0x1000, flags: 5 },
  { address: BASE + 0x1000, offset: 0x1000, fileBytes: 0x800, memoryBytes: 0x2800, flags: 6 },
];

export function tinyElf(options: TinyElfOptions = {}): Uint8Array {
  const segments = options.segments ?? TINY_SEGMENTS;
  const bytes = new Uint8Array(options.bytes ?? 0x1800);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, options.type ?? 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(options.entry ?? BASE + 0x200), true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, segments.length, true);
  segments.forEach((segment, i) => {
    const at = HEADER_BYTES + i * PROGRAM_HEADER_BYTES;
    view.setUint32(at, PT_LOAD, true);
    view.setUint32(at + 4, segment.flags, true);
    view.setBigUint64(at + 8, BigInt(segment.offset), true);
    view.setBigUint64(at + 16, BigInt(segment.address), true);
    view.setBigUint64(at + 24, BigInt(segment.address), true);
    view.setBigUint64(at + 32, BigInt(segment.fileBytes), true);
    view.setBigUint64(at + 40, BigInt(segment.memoryBytes), true);
    view.setBigUint64(at + 48, 0x1000n, true);
  });
  // Something to recognise in the data segment.
  bytes.fill(0xab, 0x1000, Math.min(bytes.length, 0x1800));
  return bytes;
}
