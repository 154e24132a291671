/** The teaching board: every cost a round number, so that a trace can be checked by hand. */
import type { Board, Figure } from './board.ts';

/** Exact by decree. */
function decreed(value: number): Figure {
  return { value, uncertainty: 0, source: 'chosen: a round number for checking by hand' };
}

const NONE = decreed(0);

export const SIMPLE: Board = {
  name: 'simple',
  description: 'A 1 GHz in-order teaching core: 1 cycle per instruction, round costs.',
  validation:
    'A teaching board: its figures are chosen, not measured; nothing to validate against.',
  cpus: 2,
  core: {
    coreMHz: 1000,
    tscMHz: 1000,
    issueWidth: 1,
    instructions: {},
    default: { throughput: 1, latency: 1 },
    instructionsSource: 'chosen: one cycle each',
  },
  memory: {
    bytes: 512 << 20,
    l1i: { bytes: 32 << 10, ways: 8, extraCycles: NONE },
    l1d: { bytes: 32 << 10, ways: 8, extraCycles: NONE },
    l2: { bytes: 256 << 10, ways: 8, extraCycles: decreed(10) },
    llc: { bytes: 2 << 20, ways: 16, extraCycles: decreed(40) },
    itlb: { entries: 64, ways: 64, extraCycles: NONE },
    dtlb: { entries: 64, ways: 64, extraCycles: NONE },
    stlb: { entries: 1024, ways: 8, extraCycles: decreed(10) },
    pageWalkCycles: decreed(20),
    // 40 to miss in the last level and 160 more: 200 in all.
    dramCycles: decreed(160),
    lineTransferCycles: decreed(100),
  },
  kernel: {
    cyclesPerInstruction: decreed(1),
    syscall: decreed(50),
    sysret: decreed(50),
    swapgs: decreed(10),
    exceptionEntry: decreed(100),
    interruptEntry: decreed(200),
    iret: decreed(100),
    cr3Write: decreed(200),
    cr3WriteNoFlush: decreed(100),
    invlpg: decreed(100),
    rdtsc: decreed(20),
    retpoline: decreed(20),
    srsoReturn: decreed(10),
    copyPerLine: decreed(2),
    zeroPerLine: decreed(1),
    streamOverlap: decreed(1),
    ipiSend: decreed(100),
    ipiDelivery: decreed(1000),
    vmExit: NONE,
    lockedInstruction: NONE,
    userAccess: NONE,
    interruptFlag: NONE,
    vectorState: NONE,
    haltWake: NONE,
    hpetRead: decreed(500),
    pmTimerRead: decreed(1000),
  },
  features: ['pcid', 'fsgsbase', 'constant_tsc', 'nonstop_tsc', 'rdtscp'],
};
