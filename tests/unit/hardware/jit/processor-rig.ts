/** Programs on a Processor: assembled, run in any tier, and everything observable taken down. */
import { Ledger } from '../../../../machine/core/ledger/ledger.ts';
import { Assembler } from '../../../../machine/hardware/cpu/assembler.ts';
import { Processor, type ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';
import type { PredictorSpec } from '../../../../machine/hardware/cpu/predictor.ts';
import { BlockTimer, type CoreTiming } from '../../../../machine/hardware/cpu/timing.ts';
import { SIMPLE } from '../../../../machine/board/simple.ts';
import { Cpu } from '../../../../machine/hardware/layout.ts';
import { LinearCpuState } from '../../../../machine/hardware/memory/cpu-state.ts';
import type { MemoryGeometry } from '../../../../machine/hardware/memory/model-setup.ts';
import { HEAP } from '../../../bench/loops.ts';
import { CODE, GuestMachine, snapshotState, STACK_TOP } from './rig.ts';

const HEAP_FRAME = 4 << 20;
const USER_DATA = 0x8000_0000_0000_0007n;

const SMALL_PREDICTOR: PredictorSpec = {
  historyEntries: 1 << 10,
  targetEntries: 1 << 4,
  returnStackEntries: 8,
  refillTicks: 1000,
};

export interface ProcessorRigOptions {
  readonly tier: ExecutorTier;
  readonly filter?: boolean;
  readonly heapBytes?: number;
  readonly geometry?: MemoryGeometry;
  readonly cpus?: number;
  readonly codeBytes?: number;
  /** Times the blocks; the teaching core when absent. */
  readonly core?: CoreTiming;
  /** A small one when absent, so that its tables overflow. */
  readonly predictor?: PredictorSpec;
}

export class ProcessorRig {
  readonly machine: GuestMachine;
  readonly processor: Processor;
  readonly ledger: Ledger;
  readonly state: LinearCpuState;

  constructor(options: ProcessorRigOptions) {
    const filter = options.filter ?? true;
    const heapBytes = options.heapBytes ?? 0x40000;
    this.machine = new GuestMachine({ ...options, filter, guestBytes: HEAP_FRAME + heapBytes });
    for (let at = 0; at < heapBytes; at += 4096) {
      this.machine.map(HEAP + BigInt(at), HEAP_FRAME + at, USER_DATA);
    }
    const timer = new BlockTimer(options.core ?? SIMPLE.core);
    this.processor = new Processor(this.machine.linear, this.machine.hierarchy, {
      tier: options.tier,
      filter,
      timing: (block) => timer.time(block),
      predictor: options.predictor ?? SMALL_PREDICTOR,
      ...(options.codeBytes === undefined ? {} : { codeBytes: options.codeBytes }),
    });
    this.ledger = new Ledger(options.cpus ?? 1);
    this.state = new LinearCpuState(this.machine.linear, 0);
  }

  /** The heap's bytes. */
  heap(bytes: number): DataView {
    const { linear } = this.machine;
    return new DataView(linear.memory.buffer, linear.guestBase + HEAP_FRAME, bytes);
  }

  /** Puts a program at CODE, its entry, and a stack under it. */
  load(emit: (asm: Assembler) => void): void {
    const asm = new Assembler();
    emit(asm);
    const program = asm.link(new Map([['.text', CODE]]), { absolutePointers: true });
    this.machine.writeCode(CODE, program.sections[0].bytes);
    this.start(CODE);
  }

  start(rip: bigint): void {
    this.state.rip = rip;
    this.state.setRegister(4, STACK_TOP - 64n);
  }

  settle(tid = 1): void {
    this.processor.settle(0, tid, this.ledger, (address) => Number(address - CODE));
  }

  /** Registers, flags, clock, ledger and execution counts. */
  observe(reason: number): unknown {
    this.settle();
    this.ledger.closeWindow('end', [this.state.clock]);
    // Flags and time are compared as what they mean, below.
    const state = Object.entries(snapshotState(this.machine, reason)).filter(
      ([name]) => !['left', 'result', 'source', 'aux', 'op'].includes(name),
    );
    return {
      reason,
      state: Object.fromEntries(state),
      rflags: this.state.rflags,
      clock: this.state.clock,
      residuals: this.ledger.residuals([this.state.clock]),
      rows: this.ledger.rows.map((row) => ({ ...row, ticks: [...row.ticks] })),
      counts: [...this.processor.instructionCounts()].sort(([a], [b]) => Number(a - b)),
      instructions: this.processor.instructions,
      counters: { ...this.machine.hierarchy.counters(0), slowCalls: 0 },
      branchMisses: this.processor.branchMisses(0),
      history: this.machine.get64(Cpu.BRANCH_HISTORY),
      limit: this.machine.get64(Cpu.LIMIT),
    };
  }
}
