/**
 * cpuid of the guest's processor: x86-64-v1 with SSE3 and CMPXCHG16B, as QEMU's qemu64 of AMD make,
 * with the AMD cache leaves that C libraries read. Omits: OSXSAVE and everything that needs it.
 */
import { Cpu } from '../layout';

const VENDOR_EBX: u64 = 0x68747541; // Auth
const VENDOR_EDX: u64 = 0x69746e65; // enti
const VENDOR_ECX: u64 = 0x444d4163; // cAMD
const BASIC_LEAVES: u64 = 0xd;
const EXTENDED_LEAVES: u64 = 0x80000008;
/** Family 15, model 107, stepping 1: as qemu64. */
const SIGNATURE: u64 = 0x00060fb1;
/** CLFLUSH line of 8 quadwords, one logical processor. */
const LEAF1_EBX: u64 = 0x00010800;
/** SSE3, CMPXCHG16B, HYPERVISOR. */
const LEAF1_ECX: u64 = 0x80002001;
const LEAF1_EDX: u64 = 0x078bfbfd;
/** LAHF/SAHF in long mode. */
const EXTENDED1_ECX: u64 = 0x00000001;
/** SYSCALL, NX, RDTSCP, long mode. */
const EXTENDED1_EDX: u64 = 0x28100800;
/** L1: 32 KiB, 8 ways, 64-byte lines; L2: 1 MiB, 8 ways; L3: 16 MiB. AMD's leaf encodings. */
const CACHE_L1: u64 = 0x20080140;
const CACHE_L2: u64 = 0x04006140;
const CACHE_L3: u64 = 0x00808140;
/** 48 virtual and 40 physical address bits. */
const ADDRESS_BITS: u64 = 0x00003028;

/** Returns eax | ebx << 32; the second result is ecx | edx << 32. */
function answer(cpu: usize, eax: u64, ebx: u64, ecx: u64, edx: u64): i64 {
  store<u64>(cpu, ecx | (edx << 32), Cpu.HELPER_RESULT);
  return eax | (ebx << 32);
}

/** 16 characters of the processor's name, from leaf 0x80000002 on. */
function name(cpu: usize, part: u32): i64 {
  if (part == 0) return answer(cpu, 0x6c637963, 0x62616c65, 0x65756720, 0x7473); // cyclelab guest
  return answer(cpu, 0, 0, 0, 0);
}

export function cpuid(cpu: usize, leaf: i64, subleaf: i64): i64 {
  switch (<u32>leaf) {
    case 0:
      return answer(cpu, BASIC_LEAVES, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX);
    case 1: {
      const apic = (<u64>load<u32>(cpu, Cpu.TSC_AUX)) << 24;
      return answer(cpu, SIGNATURE, LEAF1_EBX | apic, LEAF1_ECX, LEAF1_EDX);
    }
    case 0x80000000:
      return answer(cpu, EXTENDED_LEAVES, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX);
    case 0x80000001:
      return answer(cpu, SIGNATURE, 0, EXTENDED1_ECX, EXTENDED1_EDX);
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return name(cpu, <u32>leaf - 0x80000002);
    case 0x80000005:
      return answer(cpu, 0, 0, CACHE_L1, CACHE_L1);
    case 0x80000006:
      return answer(cpu, 0, 0, CACHE_L2, CACHE_L3);
    case 0x80000008:
      return answer(cpu, ADDRESS_BITS, 0, 0, 0);
    default:
      return answer(cpu, 0, 0, 0, 0);
  }
}
