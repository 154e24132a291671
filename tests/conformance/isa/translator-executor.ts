/** The translator as an executor of instruction vectors: many vectors to a module. */
import type { TimedBlock } from '../../../machine/hardware/jit/region-context.ts';
import { JumpCache } from '../../../machine/hardware/jit/jump-cache.ts';
import { RegionCompiler } from '../../../machine/hardware/jit/region-compiler.ts';
import { BlockTimer } from '../../../machine/hardware/cpu/timing.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import { Cpu, ExitReason } from '../../../machine/hardware/layout.ts';
import { blockAt, type BareMachine, type Executor } from './bare-machine.ts';

const BATCH = 250;

export class TranslatorExecutor implements Executor {
  private readonly compiler: RegionCompiler;
  private readonly timer = new BlockTimer(SIMPLE.core);
  private readonly flag: number;
  private readonly slots = new Map<bigint, number>();

  /** Translates the blocks at `addresses` beforehand; others when they are reached. */
  constructor(machine: BareMachine, filter: boolean, addresses: readonly bigint[]) {
    const { linear, hierarchy } = machine;
    const core = hierarchy.core as unknown as Readonly<Record<string, unknown>>;
    this.compiler = new RegionCompiler(linear.memory, core, { filter });
    this.flag = linear.arena.allocate(16);
    const jumps = new JumpCache(linear, linear.arena.allocate(JumpCache.BYTES));
    linear.i32[(machine.block + Cpu.JUMP_CACHE) >> 2] = jumps.address;
    for (let first = 0; first < addresses.length; first += BATCH) {
      this.translate(machine, addresses.slice(first, first + BATCH));
    }
  }

  run(machine: BareMachine): ExitReason {
    for (;;) {
      const { rip } = machine.state;
      if (!this.slots.has(rip)) this.translate(machine, [rip]);
      const reason: ExitReason = this.compiler.enter(machine.block, this.slots.get(rip) ?? -1);
      if (reason !== ExitReason.DISPATCH) return reason;
    }
  }

  private translate(machine: BareMachine, addresses: readonly bigint[]): void {
    const regions = addresses.map((address) => {
      const ir = blockAt(machine, address);
      const { ticks } = this.timer.time(ir);
      const block: TimedBlock = { ir, baseTicks: ticks, resolveTicks: 0, record: machine.record };
      return { blocks: [block], enteredFlag: this.flag };
    });
    const slot = this.compiler.compile(regions);
    addresses.forEach((address, index) => this.slots.set(address, slot + index));
  }
}
