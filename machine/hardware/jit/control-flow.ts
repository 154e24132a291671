/**
 * Shape of a region's control flow: what becomes a WebAssembly loop, what a block to break out of,
 * and what nests. After N. Ramsey, "Beyond Relooper" (2022): blocks are emitted along the dominator
 * tree, a node with several forward predecessors follows a `block`, a target of back edges opens a
 * `loop`. Irreducible edges are cut: the translator turns them into region exits.
 */
import { assert } from '../../core/assert.ts';

/** Node 0 is the entry and reaches every node. */
export interface FlowShape {
  /** Position in reverse postorder, by node. */
  readonly position: Int32Array;
  /** Immediate dominator, by node; the entry's is itself. */
  readonly dominator: Int32Array;
  /** Nodes that each node immediately dominates, in descending position. */
  readonly children: readonly (readonly number[])[];
  readonly isLoop: Uint8Array;
  /** 1 where two or more forward edges meet. */
  readonly isMerge: Uint8Array;
  /** Edges that were kept, by source node. */
  readonly successors: readonly (readonly number[])[];
}

function reversePostorder(successors: readonly (readonly number[])[]): number[] {
  const seen = new Uint8Array(successors.length);
  const postorder: number[] = [];
  const stack: { node: number; next: number }[] = [{ node: 0, next: 0 }];
  seen[0] = 1;
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const edges = successors[top.node];
    if (top.next === edges.length) {
      postorder.push(top.node);
      stack.pop();
      continue;
    }
    const target = edges[top.next++];
    if (seen[target] === 0) {
      seen[target] = 1;
      stack.push({ node: target, next: 0 });
    }
  }
  return postorder.reverse();
}

/** The algorithm of Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function dominators(
  order: readonly number[],
  position: Int32Array,
  predecessors: readonly (readonly number[])[],
): Int32Array {
  const dominator = new Int32Array(position.length).fill(-1);
  dominator[0] = 0;
  const intersect = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (position[x] > position[y]) x = dominator[x];
      while (position[y] > position[x]) y = dominator[y];
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order) {
      if (node === 0) continue;
      let best = -1;
      for (const from of predecessors[node]) {
        if (dominator[from] === -1) continue;
        best = best === -1 ? from : intersect(best, from);
      }
      if (dominator[node] !== best) {
        dominator[node] = best;
        changed = true;
      }
    }
  }
  return dominator;
}

function reversed(successors: readonly (readonly number[])[]): number[][] {
  const predecessors: number[][] = successors.map(() => []);
  successors.forEach((targets, from) => {
    for (const target of targets) predecessors[target].push(from);
  });
  return predecessors;
}

function dominates(dominator: Int32Array, above: number, below: number): boolean {
  let node = below;
  while (node !== above && node !== 0) node = dominator[node];
  return node === above;
}

/** Analyses the graph whose edges are `successors` (without duplicates within one node). */
export function shapeOf(successors: readonly (readonly number[])[]): FlowShape {
  let edges = successors;
  const order = reversePostorder(edges);
  assert(order.length === edges.length, 'every block of a region is reachable from its entry');
  const position = new Int32Array(edges.length);
  order.forEach((node, index) => (position[node] = index));

  let dominator = dominators(order, position, reversed(edges));
  for (;;) {
    const doms = dominator;
    const kept = edges.map((targets, from) =>
      targets.filter((to) => position[to] > position[from] || dominates(doms, to, from)),
    );
    const cut = kept.some((targets, from) => targets.length !== edges[from].length);
    edges = kept;
    if (!cut) break;
    dominator = dominators(order, position, reversed(edges));
  }

  const isLoop = new Uint8Array(edges.length);
  const forward = new Int32Array(edges.length);
  edges.forEach((targets, from) => {
    for (const to of targets) {
      if (position[to] <= position[from]) isLoop[to] = 1;
      else forward[to]++;
    }
  });
  const isMerge = Uint8Array.from(forward, (count) => (count > 1 ? 1 : 0));
  const children: number[][] = edges.map(() => []);
  for (const node of order.toReversed()) if (node !== 0) children[dominator[node]].push(node);
  return { position, dominator, children, isLoop, isMerge, successors: edges };
}
