/**
 * The loop that a block is in, as far as its own page shows it: the shortest way from the block back
 * to itself through direct jumps and branches. What a loop is follows from the code bytes of one page
 * alone, so that it is the same in every executor and goes when the page changes. Calls end the
 * search: what a callee does hides the chain of dependencies.
 */
import { formBlock, type FetchBytes } from './blocks.ts';
import type { CodeSpace } from './code-cache.ts';
import { Op } from './ir.ts';
import type { IrBlock } from './ir.ts';

/** Decodes the block at an address of the same page; undefined where it leaves the page. */
export type LookAhead = (address: bigint) => IrBlock | undefined;

/** Loops of more blocks, or of more instructions, are not looked for. */
const BLOCKS_MAX = 6;
const INSTRUCTIONS_MAX = 96;
/** Blocks that one search may look at. */
const VISITS_MAX = 10;
/** Nor does it look further away than this. */
const DISTANCE_BYTES_MAX = 1024n;

const PAGE_SHIFT = 12n;
const PAGE_BYTES = 4096;

function targetsOf(block: IrBlock): readonly bigint[] {
  const last = block.ops[block.ops.length - 1];
  // imm2 of a jump: it is a call.
  if (last.op === Op.Jump) return last.imm2 === 0n ? [last.imm] : [];
  return last.op === Op.Branch ? [last.imm, last.imm2] : [];
}

interface Path {
  readonly block: IrBlock;
  readonly before: Path | undefined;
  readonly blocks: number;
  readonly instructions: number;
}

/** The blocks of the loop, beginning with `block`; empty when there is none. */
export function loopThrough(block: IrBlock, lookAhead: LookAhead): IrBlock[] {
  const page = block.address >> PAGE_SHIFT;
  const first = { block, before: undefined, blocks: 1, instructions: block.instructions.length };
  const queue: Path[] = [first];
  const seen = new Set<bigint>();
  for (let visits = 0; visits < VISITS_MAX; visits++) {
    const path = takeShortest(queue);
    if (path === undefined) return [];
    for (const target of targetsOf(path.block)) {
      if (target === block.address) return blocksOf(path);
      if (target >> PAGE_SHIFT !== page || seen.has(target) || path.blocks === BLOCKS_MAX) continue;
      if (distance(target, block.address) > DISTANCE_BYTES_MAX) continue;
      seen.add(target);
      const next = lookAhead(target);
      if (next === undefined) continue;
      const instructions = path.instructions + next.instructions.length;
      if (instructions > INSTRUCTIONS_MAX) continue;
      queue.push({ block: next, before: path, blocks: path.blocks + 1, instructions });
    }
  }
  return [];
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

/** Fewest instructions first; among equals the one that was found first. */
function takeShortest(queue: Path[]): Path | undefined {
  let best = 0;
  for (let i = 1; i < queue.length; i++) {
    if (queue[i].instructions < queue[best].instructions) best = i;
  }
  return queue.splice(best, 1)[0];
}

function blocksOf(path: Path): IrBlock[] {
  const blocks: IrBlock[] = [];
  for (let at: Path | undefined = path; at !== undefined; at = at.before) blocks.push(at.block);
  return blocks.reverse();
}

/**
 * Blocks that were decoded because a block of the same page was timed. Forgotten whenever code is
 * dropped.
 */
export class BlocksAhead {
  private spaces = new WeakMap<CodeSpace, Map<bigint, IrBlock>>();

  clear(): void {
    this.spaces = new WeakMap();
  }

  /** A block that was decoded ahead, which is wanted now. */
  take(space: CodeSpace, address: bigint): IrBlock | undefined {
    const blocks = this.spaces.get(space);
    const block = blocks?.get(address);
    blocks?.delete(address);
    return block;
  }

  /** What can be seen from `block`, which `fetch` reads the code of. */
  lookAhead(space: CodeSpace, block: IrBlock, fetch: FetchBytes): LookAhead {
    const begin = (block.address >> PAGE_SHIFT) << PAGE_SHIFT;
    let page: Uint8Array | undefined;
    // Not into the next page: whether it can be fetched from may change.
    const inPage: FetchBytes = (from, length) => {
      page ??= fetch(begin, PAGE_BYTES);
      const offset = Number(from - begin);
      return page.subarray(offset, offset + length);
    };
    return (address) => {
      const known = space.blocks.get(address)?.ir ?? this.blocksOf(space).get(address);
      if (known !== undefined) return known;
      const found = formBlock(address, inPage);
      if ('missing' in found) return undefined;
      this.blocksOf(space).set(address, found);
      return found;
    };
  }

  private blocksOf(space: CodeSpace): Map<bigint, IrBlock> {
    let blocks = this.spaces.get(space);
    if (blocks === undefined) this.spaces.set(space, (blocks = new Map<bigint, IrBlock>()));
    return blocks;
  }
}
