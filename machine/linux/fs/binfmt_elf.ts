/**
 * Loading ELF programs, after Linux 6.1 fs/binfmt_elf.c: segments, bss, heap start, vDSO, and the
 * initial stack. Omits: interpreters (dynamic programs), core dumps, GNU properties.
 */
import type { ElfError, ElfFile, ElfSegment } from '../../core/elf/elf-file.ts';
import { SegmentFlags, SegmentType } from '../../core/elf/format.ts';
import { mapVdso } from '../arch/x86/entry/vdso/vma.ts';
import { type AddressLayout, DYNAMIC_BASE } from '../arch/x86/mm/mmap.ts';
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { Map, Prot } from '../include/uapi/asm-generic/mman.ts';
import type { MappedFile, MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { pageAlign, pageFloor } from '../mm/align.ts';
import { vmMmapPgoff } from '../mm/mmap.ts';
import { createElfTables } from './elf_tables.ts';
import { type ExecError, type ExecRequest, execError } from './exec-errors.ts';
import { setupArgPages } from './stack_setup.ts';

const PAGE_BYTES = 4096;

export interface LoadRequest {
  readonly elf: ElfFile;
  readonly file: MappedFile;
  readonly mm: MmStruct;
  readonly layout: AddressLayout;
  readonly request: ExecRequest;
}

/** Why the file, though a sound ELF file, cannot be run here. */
export function checkExecutable(elf: ElfFile): ElfError | null {
  if (elf.interpreter !== undefined) {
    return {
      kind: 'elf-error',
      field: 'PT_INTERP',
      offset: elf.segments.find(({ type }) => type === SegmentType.INTERP)?.offset ?? 0,
      message: `dynamically linked: it needs the interpreter ${elf.interpreter}, which cannot be loaded yet`,
      remedy: 'link it statically (gcc -static or -static-pie)',
    };
  }
  if (!elf.segments.some(({ type }) => type === SegmentType.LOAD)) {
    return {
      kind: 'elf-error',
      field: 'p_type',
      offset: elf.programHeaders.offset,
      message: 'no segment is to be loaded (PT_LOAD)',
      remedy: 'link it as an executable',
    };
  }
  return null;
}

const isLoad = ({ type }: ElfSegment): boolean => type === SegmentType.LOAD;

/** load_elf_binary. Returns where to start and with which stack. */
export function loadElfBinary(
  kernel: Kernel,
  load: LoadRequest,
): { entry: number; stackPointer: number } | ExecError {
  const { elf, mm, layout, request } = load;
  kernel.cpu.run(F.load_elf_binary, 720);
  const strings = setupArgPages(kernel, mm, layout, request, executableStack(elf));
  if (strings === null)
    return execError('the arguments and environment do not fit the stack', 'shorten them');
  const bias = mapSegments(kernel, load);
  if (bias === null)
    return execError('a segment cannot be mapped', 'check the addresses of its program headers');
  setupHeap(load);
  const vdso = mapVdso(kernel, mm, layout);
  mm.vdso = vdso;
  const entry = Number(elf.entry) + bias;
  const headers = elf.programHeaders;
  const stackPointer = createElfTables(kernel, mm, {
    strings,
    vdso,
    entry,
    programHeaders: headers.address === undefined ? 0 : Number(headers.address) + bias,
    programHeaderCount: headers.count,
    alignStack: layout.alignStack,
  });
  return stackPointer < 0 ? execError('out of memory', 'raise mem=') : { entry, stackPointer };
}

const executableStack = (elf: ElfFile): boolean => {
  const stack = elf.segments.find(({ type }) => type === SegmentType.GNU_STACK);
  return stack === undefined || (stack.flags & SegmentFlags.EXECUTE) !== 0;
};

function protection(flags: number): number {
  return (
    ((flags & SegmentFlags.READ) !== 0 ? Prot.READ : 0) |
    ((flags & SegmentFlags.WRITE) !== 0 ? Prot.WRITE : 0) |
    ((flags & SegmentFlags.EXECUTE) !== 0 ? Prot.EXEC : 0)
  );
}

/** elf_map of every PT_LOAD. Returns the load bias, or null when one cannot be mapped. */
function mapSegments(kernel: Kernel, { elf, file, mm }: LoadRequest): number | null {
  const segments = elf.segments.filter(isLoad);
  const bias = elf.placement === 'fixed' ? 0 : chooseBias(kernel, mm, segments);
  if (bias === null) return null;
  for (const segment of segments) {
    if (!mapSegment(kernel, { segment, file, mm, bias })) return null;
    noteSegment(mm, segment, bias);
  }
  return bias;
}

/** A relocatable program without interpreter goes where mmap puts a region of its whole size. */
function chooseBias(kernel: Kernel, mm: MmStruct, segments: readonly ElfSegment[]): number | null {
  const first = pageFloor(Number(segments[0].address));
  const last = segments[segments.length - 1];
  const total = pageAlign(Number(last.address) + last.memoryBytes) - first;
  const place = vmMmapPgoff(kernel, mm, {
    address: 0,
    length: total,
    prot: Prot.NONE,
    flags: Map.PRIVATE | Map.ANONYMOUS | Map.NORESERVE,
    file: null,
    pgoff: 0,
  });
  return place < 0 ? null : place - first;
}

interface SegmentMapping {
  readonly segment: ElfSegment;
  readonly file: MappedFile;
  readonly mm: MmStruct;
  readonly bias: number;
}

/** elf_map, and set_brk with padzero for the part that has no bytes in the file. */
function mapSegment(kernel: Kernel, { segment, file, mm, bias }: SegmentMapping): boolean {
  const start = Number(segment.address) + bias;
  const inPage = start % PAGE_BYTES;
  const prot = protection(segment.flags);
  const flags = Map.PRIVATE | Map.FIXED;
  const page = start - inPage;
  if (segment.fileBytes > 0) {
    const pgoff = (segment.offset - inPage) / PAGE_BYTES;
    if (!Number.isInteger(pgoff)) return false;
    const length = segment.fileBytes + inPage;
    const place = vmMmapPgoff(kernel, mm, { address: page, length, prot, flags, file, pgoff });
    if (place < 0) return false;
  }
  const fileEnd = start + segment.fileBytes;
  const memoryEnd = start + segment.memoryBytes;
  if (memoryEnd <= fileEnd) return true;
  const bss = segment.fileBytes > 0 ? pageAlign(fileEnd) : page;
  const bssEnd = pageAlign(memoryEnd);
  if (bssEnd > bss) {
    const place = vmMmapPgoff(kernel, mm, {
      address: bss,
      length: bssEnd - bss,
      prot,
      flags: flags | Map.ANONYMOUS,
      file: null,
      pgoff: 0,
    });
    if (place < 0) return false;
  }
  const tail = segment.fileBytes > 0 ? bss - fileEnd : 0;
  if (tail > 0 && (prot & Prot.WRITE) !== 0) copyToUser(kernel, fileEnd, new Uint8Array(tail));
  return true;
}

function noteSegment(mm: MmStruct, segment: ElfSegment, bias: number): void {
  const start = Number(segment.address) + bias;
  const end = start + segment.fileBytes;
  if ((segment.flags & SegmentFlags.EXECUTE) !== 0) {
    if (mm.startCode === 0 || start < mm.startCode) mm.startCode = start;
    mm.endCode = Math.max(mm.endCode, end);
  }
  mm.startData = Math.max(mm.startData, start);
  mm.endData = Math.max(mm.endData, end);
  mm.brk = Math.max(mm.brk, start + segment.memoryBytes);
}

/** The heap begins after the bss; that of a relocatable program elsewhere, when things are random. */
function setupHeap({ elf, mm, layout }: LoadRequest): void {
  const end = pageAlign(mm.brk);
  const base = layout.randomizes && elf.placement === 'relocatable' ? DYNAMIC_BASE : end;
  mm.startBrk = pageAlign(layout.randomizeBrk(base));
  mm.brk = mm.startBrk;
}
