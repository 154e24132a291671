/**
 * Chooses the blocks that are translated together: from a hot block along its static successors,
 * nearest first, calls and their return sites included.
 */
import { Op, type IrBlock } from '../cpu/ir.ts';
import type { TimedBlock } from './region-context.ts';
import { returnSitesOf, successorsOf } from './translate.ts';

/** V8 compiles functions of more blocks badly; see docs/translator.md. */
export const REGION_BLOCKS_CAP = 250;
/** Past this, what is added is rarely part of the same loop. */
export const REGION_BLOCKS_MAX = 64;

export interface RegionSource<B extends TimedBlock> {
  /** The block at an address, or undefined when the region must not contain it. */
  readonly block: (address: bigint) => B | undefined;
  readonly blocksMax: number;
}

/** Addresses that control may go to from a block, as far as they are known without running it. */
function leadsTo(ir: IrBlock): readonly bigint[] {
  const last = ir.ops[ir.ops.length - 1];
  const instruction = ir.instructions[ir.instructions.length - 1];
  const after = instruction.address + BigInt(instruction.length);
  const called = instruction.mnemonic === 'call' ? [after] : [];
  switch (last.op) {
    case Op.Jump:
    case Op.Pause:
      return [last.imm, ...called];
    case Op.Branch:
      return [last.imm, last.imm2];
    default:
      return called;
  }
}

/** Drops what the entry does not reach: return sites of callees that are not in the region. */
function reachable<B extends TimedBlock>(blocks: readonly B[]): B[] {
  let kept: readonly B[] = blocks;
  for (;;) {
    const index = new Map(kept.map(({ ir }, i) => [ir.address, i]));
    const sites = returnSitesOf(kept);
    const seen = new Set([0]);
    for (const from of seen) {
      for (const to of successorsOf(kept[from], index, sites)) seen.add(to);
    }
    if (seen.size === kept.length) return [...kept];
    kept = kept.filter((_, i) => seen.has(i));
  }
}

/** The region whose entry is `head`; `head` comes first. */
export function formRegion<B extends TimedBlock>(head: B, source: RegionSource<B>): B[] {
  const limit = Math.min(source.blocksMax, REGION_BLOCKS_CAP);
  const known = new Set([head.ir.address]);
  const blocks = [head];
  for (const from of blocks) {
    for (const address of leadsTo(from.ir)) {
      if (blocks.length === limit || known.has(address)) continue;
      known.add(address);
      const next = source.block(address);
      if (next !== undefined) blocks.push(next);
    }
  }
  return reachable(blocks);
}
