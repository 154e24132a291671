/** An Intel Core i7-6700 (Skylake, client) on bare metal, from published figures. */
import type { Board, Figure } from './board.ts';
import { SKYLAKE_INSTRUCTIONS, SKYLAKE_INSTRUCTIONS_SOURCE } from './skylake-instructions.ts';

function figure(value: number, uncertainty: number, source: string): Figure {
  return { value, uncertainty, source };
}

const IN_L1 = figure(0, 0, 'by definition: first-level hits are in the instruction tables');
const SEVEN_CPU = '7-cpu.com, Skylake i7-6700 (from memory)';
const INTEL_GUIDE = 'Intel optimization reference manual (248966), Skylake (from memory)';
const FROM_MEMORY = 'from memory of published measurements of Skylake; not checked';

export const SKYLAKE: Board = {
  name: 'skylake',
  description: 'Intel Core i7-6700 (Skylake), 4.0 GHz, PCID, vulnerable to Meltdown.',
  validation: 'Published figures only; never compared with the real machine.',
  cpus: 2,
  core: {
    coreMHz: 4000,
    tscMHz: 3408,
    issueWidth: 4,
    instructions: SKYLAKE_INSTRUCTIONS,
    default: { throughput: 0.25, latency: 1 },
    fused: ['cmp', 'test', 'add', 'sub', 'and', 'inc', 'dec'],
    instructionsSource: SKYLAKE_INSTRUCTIONS_SOURCE,
    predictor: {
      historyEntries: 1 << 15,
      targetEntries: 1 << 11,
      returnStackEntries: 16,
      sizesSource: 'return stack: Agner Fog, microarchitecture; the others are assumed',
      refillCycles: figure(
        14,
        0.2,
        '7-cpu.com, Skylake-X: 14 cycles for a mispredicted branch; less than Agner Fog, microarchitecture: 15 to 20',
      ),
    },
  },
  memory: {
    bytes: 1 << 30,
    l1i: { bytes: 32 << 10, ways: 8, extraCycles: IN_L1 },
    l1d: { bytes: 32 << 10, ways: 8, extraCycles: IN_L1 },
    l2: {
      bytes: 256 << 10,
      ways: 4,
      extraCycles: figure(8, 0.1, `${SEVEN_CPU}: L2 12 cycles, less 4 of L1`),
    },
    llc: {
      bytes: 8 << 20,
      ways: 16,
      extraCycles: figure(38, 0.1, `${SEVEN_CPU}: L3 42 cycles, less 4 of L1`),
    },
    itlb: { entries: 128, ways: 8, extraCycles: IN_L1 },
    dtlb: { entries: 64, ways: 4, extraCycles: IN_L1 },
    stlb: {
      entries: 1536,
      ways: 12,
      extraCycles: figure(9, 0.15, `${SEVEN_CPU}: miss in the 64-entry DTLB 9 cycles`),
    },
    pageWalkCycles: figure(17, 0.4, FROM_MEMORY),
    dramCycles: figure(204, 0.15, `${SEVEN_CPU}: RAM 42 cycles + 51 ns; 51 ns at 4.0 GHz`),
    lineTransferCycles: figure(80, 0.4, FROM_MEMORY),
    overlap: {
      reorderBuffer: figure(224, 0, INTEL_GUIDE),
      missBuffers: figure(10, 0.1, `${INTEL_GUIDE}: line fill buffers`),
      storeBuffer: figure(56, 0, INTEL_GUIDE),
      walkers: figure(2, 0, `${INTEL_GUIDE}: page walks in parallel`),
      hitCycles: figure(4, 0.1, `${SEVEN_CPU}: L1 4 cycles`),
    },
  },
  kernel: {
    cyclesPerInstruction: figure(0.4, 0.35, FROM_MEMORY),
    syscall: figure(55, 0.3, FROM_MEMORY),
    sysret: figure(45, 0.3, FROM_MEMORY),
    swapgs: figure(20, 0.4, FROM_MEMORY),
    exceptionEntry: figure(250, 0.4, FROM_MEMORY),
    interruptEntry: figure(500, 0.4, FROM_MEMORY),
    iret: figure(230, 0.4, FROM_MEMORY),
    cr3Write: figure(200, 0.3, FROM_MEMORY),
    cr3WriteNoFlush: figure(130, 0.4, FROM_MEMORY),
    invlpg: figure(120, 0.4, FROM_MEMORY),
    rdtsc: figure(25, 0.1, FROM_MEMORY),
    retpoline: figure(27, 0.3, FROM_MEMORY),
    srsoReturn: figure(0, 0, 'SRSO is an AMD vulnerability; the thunk is not used here'),
    copyPerLine: figure(2, 0.3, FROM_MEMORY),
    zeroPerLine: figure(2, 0.3, FROM_MEMORY),
    ipiSend: figure(100, 0.5, FROM_MEMORY),
    ipiDelivery: figure(1000, 0.5, FROM_MEMORY),
    vmExit: figure(0, 0, 'bare metal'),
    lockedInstruction: figure(18, 0.2, 'lock xadd, Agner Fog, instruction tables'),
    userAccess: figure(20, 0.5, 'stac and clac; from memory'),
    interruptFlag: figure(8, 0.5, 'from memory'),
    vectorState: figure(110, 0.4, 'xsave and xrstor with AVX state; from memory'),
    haltWake: figure(0, 0, 'bare metal'),
    hpetRead: figure(2200, 0.5, 'an uncached read across the chipset, about 0.55 us; from memory'),
    pmTimerRead: figure(3200, 0.5, 'a port read across the chipset, about 0.8 us; from memory'),
    streamOverlap: figure(10, 0.4, 'line fill buffers of a core; from memory'),
  },
  features: [
    'pcid',
    'invpcid',
    'fsgsbase',
    'constant_tsc',
    'nonstop_tsc',
    'rdtscp',
    'erms',
    'retpoline',
    'meltdown',
  ],
};
