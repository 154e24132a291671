/**
 * Builds the vDSO image: a real ELF shared object, as Linux 6.1's arch/x86/entry/vdso makes one with
 * vdso.lds and vdso2c. Alternatives are applied as the kernel would patch them for the board's CPU.
 * Omits: __vdso_sgx_enter_enclave, unwind tables, the build id.
 */
import { planSharedObject, writeSharedObject } from '../../../../../core/elf/shared-object.ts';
import type { ExportedName } from '../../../../../core/elf/shared-object.ts';
import { Assembler } from '../../../../../hardware/cpu/assembler.ts';
import {
  PVCLOCK_OFFSET,
  TIMENS_OFFSET,
  VDSO_DATA_OFFSET,
  VVAR_OFFSET,
  VVAR_PAGES,
} from '../../../../include/vdso/datapage.ts';
import { emitClockFunctions } from './vclock_gettime.ts';
import type { OrderedTsc } from './vclock_gettime.ts';
import { emitGetcpu } from './vgetcpu.ts';

const PAGE_BYTES = 4096;
const NSEC_PER_SEC = 1_000_000_000;

/** Functions of the image; each is exported as a strong `__vdso_` name and a weak plain one. */
const FUNCTIONS = ['clock_gettime', 'gettimeofday', 'clock_getres', 'time', 'getcpu'] as const;

export interface VdsoOptions {
  /** Words of /proc/cpuinfo; `rdtscp`, `lfence_rdtsc` and `rdpid` matter. */
  readonly features: readonly string[];
  /** CONFIG_HZ. */
  readonly hz: number;
  /** Linux version for the image's note. */
  readonly version?: { readonly major: number; readonly minor: number; readonly patch: number };
}

export interface VdsoSymbol {
  readonly name: string;
  /** Distance from the first byte of the image. */
  readonly offset: number;
  readonly size: number;
}

export interface VdsoImage {
  /** Whole pages. */
  readonly image: Uint8Array;
  /** Functions, one name each (`__vdso_` names and the local counter), by offset. */
  readonly symbols: readonly VdsoSymbol[];
  /** The pages that must be mapped right below the image, lowest first. */
  readonly vvarPages: readonly { readonly name: string; readonly offset: number }[];
}

const DEFAULT_VERSION = { major: 6, minor: 1, patch: 0 } as const;

function orderedTsc(features: readonly string[]): OrderedTsc {
  if (features.includes('rdtscp')) return 'rdtscp';
  return features.includes('lfence_rdtsc') ? 'lfence; rdtsc' : 'rdtsc';
}

/** The note that vdso/note.S makes: LINUX_VERSION_CODE under the owner `Linux`. */
function versionNote({ major, minor, patch }: NonNullable<VdsoOptions['version']>): Uint8Array {
  return Uint8Array.of(patch, minor, major, 0);
}

/** Builds the image for one kernel configuration and CPU. The same options give the same bytes. */
export function buildVdsoImage(options: VdsoOptions): VdsoImage {
  const { features, hz, version = DEFAULT_VERSION } = options;
  const asm = new Assembler();
  emitClockFunctions({
    asm,
    data: asm.define('_vdso_data', BigInt(VVAR_OFFSET + VDSO_DATA_OFFSET)),
    timens: asm.define('_timens_data', BigInt(TIMENS_OFFSET + VDSO_DATA_OFFSET)),
    pvclock: asm.define('pvclock_page', BigInt(PVCLOCK_OFFSET)),
    orderedTsc: orderedTsc(features),
    tickNs: Math.floor((NSEC_PER_SEC + Math.floor(hz / 2)) / hz),
  });
  emitGetcpu(asm, { rdpid: features.includes('rdpid') });

  const exports = FUNCTIONS.flatMap((name): ExportedName[] => [
    { name: `__vdso_${name}`, binding: 'global' },
    { name, binding: 'weak' },
  ]);
  const plan = planSharedObject({
    soname: 'linux-vdso.so.1',
    version: 'LINUX_2.6',
    exports,
    notes: [{ owner: 'Linux', type: 0, description: versionNote(version) }],
  });
  const program = asm.link(new Map([['.text', plan.textAddress]]), { absolutePointers: false });
  const byName = new Map(program.symbols.map((symbol) => [symbol.name, symbol]));
  for (const name of FUNCTIONS) {
    const symbol = byName.get(`__vdso_${name}`);
    if (symbol !== undefined) byName.set(name, symbol);
  }
  const file = writeSharedObject(plan, program.sections[0].bytes, byName);
  const image = new Uint8Array(Math.ceil(file.length / PAGE_BYTES) * PAGE_BYTES);
  image.set(file);
  const symbols = program.symbols.map(({ name, address, size }) => ({
    name,
    offset: Number(address),
    size,
  }));
  return { image, symbols, vvarPages: VVAR_PAGES };
}
