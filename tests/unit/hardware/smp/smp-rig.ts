/**
 * Several CPUs in user mode without a kernel: the CPU with the smallest clock runs, at most a quantum
 * ahead of the others, until each has executed marker 1.
 */
import { memoryGeometry } from '../../../../machine/board/geometry.ts';
import { ZEN4_VM } from '../../../../machine/board/zen4-vm.ts';
import type { Ticks } from '../../../../machine/core/units.ts';
import type { Assembler } from '../../../../machine/hardware/cpu/assembler.ts';
import type { ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';
import { ExitReason } from '../../../../machine/hardware/layout.ts';
import { LinearCpuState } from '../../../../machine/hardware/memory/cpu-state.ts';
import { ProcessorRig } from '../jit/processor-rig.ts';
import { HEAP } from '../../../bench/loops.ts';
import { CODE } from '../jit/rig.ts';

export interface SmpOptions {
  readonly cpus: number;
  readonly quantumCycles: number;
  readonly tier?: ExecutorTier;
  readonly filter?: boolean;
  /** Clock at which each CPU begins, in cycles; all at 0 unless said. */
  readonly starts?: readonly number[];
}

/** Hardware numbers of the registers that a program finds set: its CPU, and how many there are. */
const R14 = 14;
const R15 = 15;
const TICKS = 64;
/** The CPUs' stacks lie in the heap, after what the programs use. */
const STACKS = 0x40000;
const STACK_BYTES = 4096;

export function marker(asm: Assembler): void {
  asm.bytes([0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x43, 0x4c]);
}

export class SmpRig {
  readonly rig: ProcessorRig;
  readonly states: readonly LinearCpuState[];
  private readonly quantum: Ticks;

  constructor(options: SmpOptions, emit: (asm: Assembler) => void) {
    const { cpus, tier = 'auto', filter = true, quantumCycles, starts = [] } = options;
    this.quantum = quantumCycles * TICKS;
    const geometry = memoryGeometry(ZEN4_VM.memory);
    const heapBytes = STACKS + cpus * STACK_BYTES;
    this.rig = new ProcessorRig({ tier, filter, cpus, geometry, heapBytes });
    this.rig.load(emit);
    const { linear } = this.rig.machine;
    this.states = Array.from({ length: cpus }, (_, cpu) => new LinearCpuState(linear, cpu));
    this.states.forEach((state, cpu) => {
      state.rip = CODE;
      state.setRegister(4, HEAP + BigInt(STACKS + (cpu + 1) * STACK_BYTES - 64));
      state.setRegister(R14, BigInt(cpu));
      state.setRegister(R15, BigInt(cpus));
      state.clock = (starts[cpu] ?? 0) * TICKS;
    });
  }

  /** Runs all CPUs to their markers; returns their clocks then. */
  run(): Ticks[] {
    const running = new Set(this.states.keys());
    while (running.size > 0) {
      let [cpu] = running;
      for (const other of running) {
        if (this.states[other].clock < this.states[cpu].clock) cpu = other;
      }
      let others = Infinity;
      for (const other of running) {
        if (other !== cpu) others = Math.min(others, this.states[other].clock);
      }
      const limit = Math.min(others + this.quantum, 2 ** 45);
      const reason =
        others === Infinity
          ? this.rig.processor.run(cpu, limit)
          : this.rig.processor.run(cpu, limit, others);
      if (reason === ExitReason.MARKER) running.delete(cpu);
      else if (reason !== ExitReason.BUDGET) throw new Error(`exit ${String(reason)}`);
    }
    return this.states.map(({ clock }) => clock);
  }

  /** The heap as 64-bit words. */
  word(index: number): bigint {
    return this.rig.heap(0x10000).getBigUint64(8 * index, true);
  }

  /** Everything that must be the same from run to run and in every tier. */
  observe(): unknown {
    const clocks = this.run();
    const { rig } = this;
    clocks.forEach((_, cpu) => {
      rig.processor.settle(cpu, 1 + cpu, rig.ledger, (address) => Number(address - CODE));
    });
    rig.ledger.closeWindow('end', clocks);
    return {
      clocks,
      residuals: rig.ledger.residuals(clocks),
      registers: this.states.map((state) =>
        Array.from({ length: 16 }, (_, r) => state.register(r)),
      ),
      rows: rig.ledger.rows.map((row) => ({ ...row, ticks: [...row.ticks] })),
      counts: [...rig.processor.instructionCounts()].sort(([a], [b]) => Number(a - b)),
      heap: Array.from({ length: 64 }, (_, index) => this.word(index)),
    };
  }
}
