/** Mapping the vDSO and its data pages into a process, after Linux 6.1 arch/x86/entry/vdso/vma.c. */
import { type MmStruct, type SpecialMapping, Vm } from '../../../../include/linux/mm_types.ts';
import type { Kernel, VdsoMapping } from '../../../../init/kernel.ts';
import { masPreallocate, masStorePrealloc } from '../../../../lib/maple_tree.ts';
import type { BuddyAllocator } from '../../../../mm/buddy.ts';
import { findArea } from '../../kernel/sys_x86_64.ts';
import { vmStatAccount } from '../../../../mm/overcommit.ts';
import { vmAreaAlloc } from '../../../../mm/vma.ts';
import type { AddressLayout } from '../../mm/mmap.ts';
import { type PvClock, writePvClock } from '../../../../kernel/time/pvclock.ts';
import { F } from '../../model/generated/function-ids.ts';
import { PAGE_BYTES, PAGE_SHIFT, type PhysicalMemory } from '../../model/physical-memory.ts';
import { buildVdsoImage, type VdsoOptions } from './vdso2c.ts';

const DATA_FLAGS = Vm.READ | Vm.MAYREAD | Vm.IO | Vm.DONTDUMP | Vm.PFNMAP;
const TEXT_FLAGS = Vm.READ | Vm.EXEC | Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC;

/** init_vdso_image: puts the image and a page for the clock data into memory, at boot. */
export function initVdso(
  memory: PhysicalMemory,
  buddy: BuddyAllocator,
  options: VdsoOptions & { readonly pvclock: PvClock | null },
): VdsoMapping {
  const built = buildVdsoImage(options);
  const frames: number[] = [];
  for (let at = 0; at < built.image.length; at += PAGE_BYTES) {
    const frame = buddy.allocatePage();
    memory.zeroPage(frame << PAGE_SHIFT);
    memory.bytes.set(built.image.subarray(at, at + PAGE_BYTES), frame << PAGE_SHIFT);
    frames.push(frame);
  }
  const data = buddy.allocatePage();
  memory.zeroPage(data << PAGE_SHIFT);
  const shared = options.pvclock === null ? -1 : pvclockPage(memory, buddy, options.pvclock);
  // Hyper-V's clock and the time namespace have no page.
  const framesOf: Readonly<Record<string, number>> = { vvar: data, pvclock: shared };
  const dataFrames = built.vvarPages.map(({ name }) => framesOf[name] ?? -1);
  return {
    text: { name: '[vdso]', frames },
    data: { name: '[vvar]', frames: dataFrames },
    dataPhysical: data << PAGE_SHIFT,
    symbols: built.symbols,
  };
}

/** The page that KVM shares, written once: kvm_setup_vsyscall_timeinfo. */
function pvclockPage(memory: PhysicalMemory, buddy: BuddyAllocator, clock: PvClock): number {
  const frame = buddy.allocatePage();
  const page = frame << PAGE_SHIFT;
  memory.zeroPage(page);
  const { buffer, byteOffset } = memory.bytes;
  writePvClock(new DataView(buffer, byteOffset + page, PAGE_BYTES), clock);
  return frame;
}

/** map_vdso_randomized. Returns the image's address, or 0 without a vDSO. */
export function mapVdso(kernel: Kernel, mm: MmStruct, layout: AddressLayout): number {
  const { vdso, cpu } = kernel;
  if (vdso === null) return 0;
  const dataBytes = vdso.data.frames.length * PAGE_BYTES;
  const bytes = dataBytes + vdso.text.frames.length * PAGE_BYTES;
  cpu.run(F.map_vdso_randomized, 40);
  cpu.run(F.map_vdso, 80);
  const start = findArea(kernel, mm, layout.vdsoAddress(mm.startStack, bytes), bytes);
  if (start < 0) return 0;
  const image = start + dataBytes;
  const done =
    installSpecial(kernel, mm, image, vdso.text, TEXT_FLAGS) &&
    installSpecial(kernel, mm, start, vdso.data, DATA_FLAGS);
  return done ? image : 0;
}

/** _install_special_mapping */
function installSpecial(
  kernel: Kernel,
  mm: MmStruct,
  start: number,
  special: SpecialMapping,
  flags: number,
): boolean {
  const { cpu, caches } = kernel;
  cpu.run(F.__install_special_mapping, 60);
  const end = start + special.frames.length * PAGE_BYTES;
  const shape = { start, end, flags, file: null, special, pgoff: 0, name: special.name };
  const vma = vmAreaAlloc(kernel, shape);
  if (vma === null) return false;
  cpu.run(F.insert_vm_struct, 49);
  const nodes = masPreallocate(kernel, caches.mapleNode);
  if (nodes === null) return false;
  mm.vmas.insert(vma);
  masStorePrealloc(kernel, caches.mapleNode, mm.vmas, start, nodes);
  vmStatAccount(mm, flags, special.frames.length);
  return true;
}
