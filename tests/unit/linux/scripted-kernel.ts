/**
 * A kernel on the real memory hierarchy, with user mode played by a script: each step sets registers
 * or exit fields and says why user mode ended.
 */
import { memoryGeometry } from '../../../machine/board/geometry.ts';
import type { Board } from '../../../machine/board/board.ts';
import { SIMPLE } from '../../../machine/board/simple.ts';
import type { ElfError } from '../../../machine/core/elf/elf-file.ts';
import { Ledger } from '../../../machine/core/ledger/ledger.ts';
import { SymbolTable } from '../../../machine/core/ledger/symbols.ts';
import type { ColumnData, TableSpec } from '../../../machine/core/trace/event-table.ts';
import type { ExecutionContext } from '../../../machine/hardware/processor.ts';
import { Cpu, ExitReason } from '../../../machine/hardware/layout.ts';
import { LinearCpuState } from '../../../machine/hardware/memory/cpu-state.ts';
import { MemoryHierarchy } from '../../../machine/hardware/memory/hierarchy.ts';
import { LinearMemory } from '../../../machine/hardware/memory/linear-memory.ts';
import { linearPlatform } from '../../../machine/linux/arch/x86/model/linear-platform.ts';
import { Gpr } from '../../../machine/linux/arch/x86/model/registers.ts';
import type { ExecError } from '../../../machine/linux/fs/exec-errors.ts';
import type { Kernel } from '../../../machine/linux/init/kernel.ts';
import { startKernel, type RunningKernel } from '../../../machine/linux/init/main.ts';
import { resolveConfig } from '../../../machine/linux/init/params.ts';
import { NR, type SyscallName } from '../../../machine/linux/include/uapi/asm/unistd-64.ts';
import { tinyElf } from './tiny-elf.ts';

const MIB = 2 ** 20;
/** What user mode spends before each step. */
const USER_TICKS = 6400;

export type Step = (scripted: ScriptedKernel) => ExitReason;

export interface ScriptOptions {
  /** The script runs on the first of them; default 1. */
  readonly cpus?: number;
  readonly commandLine?: string;
  readonly board?: Board;
  readonly features?: readonly string[];
  readonly seed?: number;
  readonly program?: Uint8Array;
  readonly argv?: readonly string[];
  readonly env?: readonly string[];
  readonly events?: readonly string[];
}

export interface TraceBatch {
  readonly table: TableSpec;
  readonly columns: readonly ColumnData[];
  readonly rows: number;
}

export class ScriptedKernel {
  readonly linear: LinearMemory;
  readonly hierarchy: MemoryHierarchy;
  readonly state: LinearCpuState;
  readonly running: RunningKernel;
  readonly ledger: Ledger;
  readonly symbols = new SymbolTable();
  readonly output: { sink: number; text: string }[] = [];
  readonly markers: number[] = [];
  readonly batches: TraceBatch[] = [];
  readonly startError: ElfError | ExecError | null;
  steps: Step[] = [];
  /** Ticks that the script has spent in user mode. */
  userTicks = 0;

  constructor(options: ScriptOptions = {}) {
    const board = options.board ?? SIMPLE;
    const features = options.features ?? board.features;
    const cpus = options.cpus ?? 1;
    this.ledger = new Ledger(cpus);
    this.linear = new LinearMemory({ cpus, guestBytes: 128 * MIB });
    this.hierarchy = new MemoryHierarchy(this.linear, memoryGeometry(board.memory));
    const states = Array.from({ length: cpus }, (_, cpu) => new LinearCpuState(this.linear, cpu));
    [this.state] = states;
    for (const { block } of states) {
      this.linear.i32[(block + Cpu.TSC_NUMERATOR) >> 2] = 1;
      this.linear.i32[(block + Cpu.TSC_DENOMINATOR) >> 2] = 64;
    }
    const config = resolveConfig(options.commandLine ?? '', {
      features,
      memoryBytes: 128 * MIB,
      cpus: 1,
    });
    if ('kind' in config) throw new Error(config.message);
    const context: ExecutionContext = {
      run: (_cpu, limit) => this.runUser(limit),
    };
    this.running = startKernel({
      platform: linearPlatform({
        linear: this.linear,
        hierarchy: this.hierarchy,
        states,
        context,
        code: {
          switchCodeSpace: () => undefined,
          dropCodeSpace: () => undefined,
          invalidateCode: () => undefined,
        },
        harvestUser: () => undefined,
        setTask: () => undefined,
      }),
      config,
      costs: board.kernel,
      coreMHz: board.core.coreMHz,
      tscMHz: board.core.tscMHz,
      features,
      ledger: this.ledger,
      symbols: this.symbols,
      seed: options.seed ?? 1,
      trace: {
        write: (table, columns, rows) => {
          this.batches.push({ table, columns: columns.map((c) => c.slice()), rows });
        },
      },
      events: new Set(options.events ?? []),
      onConsole: (sink, bytes) => {
        this.output.push({ sink, text: new TextDecoder().decode(bytes) });
      },
      onMarker: (marker) => {
        this.markers.push(marker);
      },
    });
    this.startError = this.running.exec({
      path: '/bin/tiny',
      bytes: options.program ?? tinyElf(),
      argv: options.argv ?? ['tiny'],
      env: options.env ?? [],
    });
  }

  get kernel(): Kernel {
    return this.running.kernel;
  }

  /** Runs the steps, then exit_group(0). */
  play(...steps: Step[]): this {
    this.steps = [...steps, call('exit_group', 0)];
    this.running.run();
    return this;
  }

  private runUser(limit: number): ExitReason {
    const clock = this.state.clock;
    const until = Math.min(limit, clock + USER_TICKS);
    this.setLimit(limit, until);
    this.userTicks += until - clock;
    if (until === limit) return ExitReason.BUDGET;
    const step = this.steps.shift();
    if (step === undefined) throw new Error('the script has ended, but the program has not');
    return step(this);
  }

  private setLimit(limit: number, clock: number): void {
    const { data } = this.linear;
    data.setBigInt64(this.state.block + Cpu.LIMIT, BigInt(limit), true);
    data.setBigInt64(this.state.block + Cpu.LEFT, BigInt(limit - clock), true);
  }

  /** Closes a ledger window. Returns calls and instructions by function. */
  closeWindow(): Map<string, [number, number]> {
    this.ledger.closeWindow('next', [this.state.clock]);
    const window = this.ledger.windows.length - 1;
    const rows = this.ledger.rows.filter((row) => row.window === window);
    return new Map(
      rows.map(({ symbol, count, instructions }) => [
        this.symbols.at(symbol).name,
        [count, instructions],
      ]),
    );
  }

  /** rax as the last call left it. */
  get result(): bigint {
    return BigInt.asIntN(64, this.state.register(Gpr.RAX));
  }
}

const ORDER = [Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9];

/** A step: a system call. */
export function call(name: SyscallName | number, ...args: (number | bigint)[]): Step {
  return ({ state }) => {
    const number = typeof name === 'number' ? name : NR[name];
    state.setRegister(Gpr.RAX, BigInt(number));
    args.forEach((value, i) => {
      state.setRegister(ORDER[i], BigInt.asUintN(64, BigInt(value)));
    });
    return ExitReason.SYSCALL;
  };
}

/** A step: a page fault. `code` is the processor's error code. */
export function fault(address: number | bigint, code: number): Step {
  return ({ linear, state }) => {
    linear.data.setBigUint64(state.block + Cpu.EXIT_ADDRESS, BigInt(address), true);
    linear.data.setInt32(state.block + Cpu.EXIT_INFO, code, true);
    return ExitReason.PAGE_FAULT;
  };
}

/** A step that looks at things and makes a harmless call. */
export function look(check: (scripted: ScriptedKernel) => void): Step {
  return (scripted) => {
    check(scripted);
    return call('getpid')(scripted);
  };
}
