/** Writes a block's data flow into linear memory, as the core reads it; see overlap-layout.ts. */
import { AccessHint, Flow, FlowResult, FlowTerm } from '../memory/overlap-layout.ts';
import type { AccessFlow, BlockFlow, Terms } from './dependence.ts';

/** Address of the Flow of a block whose hints are at `hints`. */
export function flowAddress(hints: number, flow: BlockFlow): number {
  return hints + flow.accesses.length * AccessHint.BYTES;
}

/** A multiple of 8. */
export function flowBytes(flow: BlockFlow): number {
  let terms = 0;
  for (const access of flow.accesses) terms += access.terms.size;
  for (const [, value] of flow.results) terms += value.size;
  const bytes =
    flow.accesses.length * AccessHint.BYTES +
    Flow.RESULTS +
    flow.results.length * FlowResult.BYTES +
    terms * FlowTerm.BYTES;
  return Math.ceil(bytes / 8) * 8;
}

/** Writes the hints at `hints`, a multiple of 8, and the flow behind them */
export function writeFlow(view: DataView, hints: number, flow: BlockFlow): void {
  const at = flowAddress(hints, flow);
  let next = at + Flow.RESULTS + flow.results.length * FlowResult.BYTES;
  const writeTerms = (terms: Terms): number => {
    const begin = next;
    for (const [source, ticks] of terms) {
      view.setUint16(next + FlowTerm.SOURCE, source, true);
      view.setUint16(next + FlowTerm.LATENCY, ticks, true);
      next += FlowTerm.BYTES;
    }
    return begin;
  };
  flow.accesses.forEach((access, index) => {
    const hint = hints + index * AccessHint.BYTES;
    writeHint(view, hint, access, flow);
    view.setInt32(hint + AccessHint.TERMS, writeTerms(access.terms), true);
    view.setInt32(hint + AccessHint.TERM_COUNT, access.terms.size, true);
    view.setInt32(hint + AccessHint.FLOW, at, true);
  });
  view.setInt32(at + Flow.COUNT, flow.results.length, true);
  view.setInt32(at + Flow.LOOP, flow.loops ? flow.ticks : 0, true);
  flow.results.forEach(([source, terms], index) => {
    const result = at + Flow.RESULTS + index * FlowResult.BYTES;
    view.setInt32(result + FlowResult.TARGET, source, true);
    view.setInt32(result + FlowResult.TERMS, writeTerms(terms), true);
    view.setInt32(result + FlowResult.TERM_COUNT, terms.size, true);
  });
}

function writeHint(view: DataView, hint: number, access: AccessFlow, flow: BlockFlow): void {
  // Bit 0 stands for the fence itself, so that a mask with no load in it is still one.
  const fence =
    access.fence === undefined
      ? 0n
      : access.fence.reduce((mask, source) => mask | (1n << BigInt(source)), 1n);
  view.setBigUint64(hint + AccessHint.IP, access.address, true);
  view.setInt32(hint + AccessHint.KIND, access.kind, true);
  view.setInt32(hint + AccessHint.SOURCE, access.source, true);
  view.setInt32(hint + AccessHint.OFFSET, flow.offsets[access.instruction], true);
  view.setInt32(hint + AccessHint.WINDOW, flow.window, true);
  view.setBigUint64(hint + AccessHint.FENCE, fence, true);
}
