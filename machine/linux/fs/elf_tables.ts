/** argc, argv, envp and the auxiliary vector, after Linux 6.1 fs/binfmt_elf.c (create_elf_tables). */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { At } from '../include/uapi/linux/auxvec.ts';
import type { MmStruct } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import type { StackStrings } from './stack_setup.ts';

const PAGE_BYTES = 4096;
/** USER_HZ, what times() and /proc count in. */
const USER_HZ = 100;
/** CPUID leaf 1 edx of the guest CPU. */
const HWCAP = 0x078bfbfd;
/** The largest signal frame with fxsave state: frame 440, state 512, padding. */
const MINSIGSTKSZ = 1040;
const PROGRAM_HEADER_BYTES = 56;
const RSEQ_FEATURE_BYTES = 28;
const RSEQ_ALIGN_BYTES = 32;
const PLATFORM = 'x86_64';
const RANDOM_BYTES = 16;
/** Words that saved_auxv has beyond the entries, written as zeros: AT_NULL. */
const AUX_END_WORDS = 2;

export interface TablesRequest {
  readonly strings: StackStrings;
  /** Address of the vDSO image, or 0. */
  readonly vdso: number;
  readonly entry: number;
  /** Address of the program headers in memory, or 0. */
  readonly programHeaders: number;
  readonly programHeaderCount: number;
  readonly alignStack: (pointer: number) => number;
}

/** Writes everything below the strings. Returns the initial stack pointer, or -1 on a fault. */
export function createElfTables(kernel: Kernel, mm: MmStruct, request: TablesRequest): number {
  const { strings } = request;
  kernel.cpu.run(F.create_elf_tables, 420);
  let pointer = request.alignStack(strings.pointer);
  const platform = new TextEncoder().encode(`${PLATFORM}\0`);
  pointer -= platform.length;
  const platformAddress = pointer;
  const random = new Uint8Array(RANDOM_BYTES);
  kernel.randomBytes.fill(random);
  pointer -= RANDOM_BYTES;
  const randomAddress = pointer;
  if (copyToUser(kernel, platformAddress, platform) < 0) return -1;
  if (copyToUser(kernel, randomAddress, random) < 0) return -1;
  const auxv = auxiliaryVector(request, platformAddress, randomAddress);
  const words = [
    strings.argv.length,
    ...strings.argv,
    0,
    ...strings.env,
    0,
    ...auxv.flat(),
    ...new Array<number>(AUX_END_WORDS).fill(0),
  ];
  // STACK_ROUND: the pointer to argc is 16-byte aligned.
  const stack = Math.floor((pointer - words.length * 8) / 16) * 16;
  const bytes = new Uint8Array(BigUint64Array.from(words, BigInt).buffer);
  if (copyToUser(kernel, stack, bytes) < 0) return -1;
  mm.startStack = stack;
  return stack;
}

/** In Linux's order. */
function auxiliaryVector(request: TablesRequest, platform: number, random: number): [At, number][] {
  const { vdso, entry, programHeaders, programHeaderCount, strings } = request;
  const entries: [At, number][] = [
    [At.MINSIGSTKSZ, MINSIGSTKSZ],
    [At.HWCAP, HWCAP],
    [At.PAGESZ, PAGE_BYTES],
    [At.CLKTCK, USER_HZ],
    [At.PHDR, programHeaders],
    [At.PHENT, PROGRAM_HEADER_BYTES],
    [At.PHNUM, programHeaderCount],
    [At.BASE, 0],
    [At.FLAGS, 0],
    [At.ENTRY, entry],
    [At.UID, 0],
    [At.EUID, 0],
    [At.GID, 0],
    [At.EGID, 0],
    [At.SECURE, 0],
    [At.RANDOM, random],
    [At.HWCAP2, 0],
    [At.EXECFN, strings.filename],
    [At.PLATFORM, platform],
    [At.RSEQ_FEATURE_SIZE, RSEQ_FEATURE_BYTES],
    [At.RSEQ_ALIGN, RSEQ_ALIGN_BYTES],
  ];
  return vdso === 0 ? entries : [[At.SYSINFO_EHDR, vdso], ...entries];
}
