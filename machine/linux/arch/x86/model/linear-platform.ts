/** Ours, not Linux's: the Platform over the machine's linear memory and memory hierarchy. */
import { BlockRecord, CodePage, Header, Region } from '../../../../hardware/layout.ts';
import type {
  CodeSpaces,
  CpuState,
  ExecutionContext,
  KernelAccess,
} from '../../../../hardware/processor.ts';
import { type MemoryHierarchy, SpaceUse } from '../../../../hardware/memory/hierarchy.ts';
import type { LinearMemory } from '../../../../hardware/memory/linear-memory.ts';
import { TlbFlush } from '../../../../hardware/memory/model-layout.ts';
import type { Platform, PlatformCpu } from './platform.ts';

const CODE_WRITTEN = (Region.HEADER + Header.CODE_WRITTEN) >> 2;
const CODE_WRITTEN_PAGE = (Region.HEADER + Header.CODE_WRITTEN_PAGE) >> 2;

const SPACE_USES = {
  both: SpaceUse.BOTH,
  kernel: SpaceUse.KERNEL,
  user: SpaceUse.USER,
} as const;

export interface LinearPlatformParts {
  readonly linear: LinearMemory;
  readonly hierarchy: MemoryHierarchy;
  readonly states: readonly CpuState[];
  readonly context: ExecutionContext;
  readonly code: CodeSpaces;
  /** Books what user code has run into the ledger. */
  readonly harvestUser: () => void;
  /** For validation: told of every data access of the kernel. */
  readonly onData?: ((low: number, high: number) => void) | undefined;
  /** Told of the records of the kernel's functions on one more CPU. */
  readonly onRecords?: ((first: number, count: number) => void) | undefined;
  /** Called when another task's code is about to run on a CPU. */
  readonly setTask: (cpu: number, tid: number) => void;
}

export function linearPlatform(parts: LinearPlatformParts): Platform {
  const { linear, hierarchy, states, context, code } = parts;
  const { onData } = parts;
  const cpus = states.map((state, number) => {
    const access = hierarchy.kernelAccess(number);
    const seen = onData === undefined ? access : observed(access, onData);
    return platformCpu(hierarchy, state, number, seen);
  });
  return {
    buffer: linear.memory.buffer,
    guestBase: linear.guestBase,
    guestBytes: linear.guestBytes,
    cpus,
    context,
    code,
    allocateRecords: (count) => {
      const first = linear.arena.allocate(count * BlockRecord.BYTES, 64);
      parts.onRecords?.(first, count);
      return first;
    },
    harvestUser: parts.harvestUser,
    setTask: parts.setTask,
    codeMayHaveChanged: (page) => {
      noteWrite(linear, page);
    },
  };
}

/** The same accesses, each of data told to `onData` first. */
function observed(access: KernelAccess, onData: (low: number, high: number) => void): KernelAccess {
  return {
    read: (low, high, record) => {
      onData(low, high);
      return access.read(low, high, record);
    },
    write: (low, high, record) => {
      onData(low, high);
      return access.write(low, high, record);
    },
    fetch: (low, high, record) => access.fetch(low, high, record),
  };
}

function platformCpu(
  hierarchy: MemoryHierarchy,
  state: CpuState,
  number: number,
  access: KernelAccess,
): PlatformCpu {
  return {
    state,
    access,
    loadCr3: (root, pcid, keep, use): void => {
      hierarchy.setAddressSpace(number, BigInt(root), pcid, !keep, SPACE_USES[use]);
    },
    invalidatePage: (low: number, high: number, pcid: number): void => {
      hierarchy.invalidatePage(number, (BigInt(high) << 32n) | BigInt(low), pcid);
    },
    invalidateSpace: (pcid: number): void => {
      hierarchy.flushTlb(number, TlbFlush.PCID, pcid);
    },
  };
}

/** As the hardware's own slow path notes a store to a page that holds decoded code. */
function noteWrite({ u8, i32, codePages }: LinearMemory, page: number): void {
  const state: CodePage = u8[codePages + page];
  if (state === CodePage.NONE) return;
  if (state !== CodePage.WRITTEN) {
    u8[codePages + page] = CodePage.WRITTEN;
    i32[CODE_WRITTEN]++;
  }
  i32[CODE_WRITTEN_PAGE] = page;
}
