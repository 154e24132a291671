/**
 * A whole machine: a board's hardware, a kernel booted on it, one program run to its end.
 */
import { parseElf } from '../core/elf/reader.ts';
import type { ElfError, ElfFile } from '../core/elf/elf-file.ts';
import { SegmentType } from '../core/elf/format.ts';
import { Ledger } from '../core/ledger/ledger.ts';
import { SymbolTable } from '../core/ledger/symbols.ts';
import { TICKS_PER_CYCLE } from '../core/units.ts';
import { Processor } from '../hardware/cpu/dispatch.ts';
import { BlockTimer, setRepeatCosts } from '../hardware/cpu/timing.ts';
import { Cpu } from '../hardware/layout.ts';
import { LinearCpuState } from '../hardware/memory/cpu-state.ts';
import { MemoryHierarchy } from '../hardware/memory/hierarchy.ts';
import { linearBytes, LinearMemory } from '../hardware/memory/linear-memory.ts';
import { linearPlatform } from '../linux/arch/x86/model/linear-platform.ts';
import type { ExecError } from '../linux/fs/exec-errors.ts';
import type { KernelConfig } from '../linux/init/config.ts';
import type { Kernel, ReleasedTask } from '../linux/init/kernel.ts';
import { startKernel, type RunningKernel } from '../linux/init/main.ts';
import { resolveConfig, type ConfigError } from '../linux/init/params.ts';
import type { CoreSpec } from './board.ts';
import { countedSince, countersOf, softwareEvents } from './counters.ts';
import { HardwareEvents, wantsHardwareEvents } from './hardware-events.ts';
import { coreTiming, memoryGeometry, predictorSpec } from './geometry.ts';
import type { MachineOptions, MachineRefusal, MachineResult, TaskRow } from './machine-api.ts';
import { BRANCH_MISS } from './hardware-tables.ts';
import { signalReport, STUCK } from './signal-report.ts';
import { functionsOf, UserSymbols, type LoadedModule } from './user-symbols.ts';

const PAGE_MASK = ~0xfffn;
/** TSC frequencies are given to 10 kHz, so that counts per tick are a ratio of integers. */
const TSC_RATIO_SCALE = 100;

/** Ledger windows outside the phases. */
const BETWEEN = 'between';
const TEARDOWN = 'teardown';

/** Runs the program to its end, or says why it cannot be started. */
export function runMachine(options: MachineOptions): MachineResult | MachineRefusal {
  const { board } = options;
  const config = resolveConfig(options.commandLine, {
    features: board.features,
    cpus: board.cpus,
    memoryBytes: board.memory.bytes,
  });
  if ('kind' in config) return refusal(config);
  const needed = linearBytes(config.maxCpus, config.memoryBytes);
  if (needed > (options.hostBytesMax ?? Infinity)) return tooLarge(needed, options.hostBytesMax);
  const file = parseElf(options.program.bytes);
  if (file.kind === 'elf-error') return refusal(file);
  return new Machine(options, config, file).run();
}

function tooLarge(needed: number, allowed = 0): MachineRefusal {
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return {
    kind: 'refusal',
    about: 'kernel',
    message: `the machine needs ${mib(needed)} of host memory, and may take ${mib(allowed)}`,
    remedy: 'raise --host-memory, or give the guest less with mem=',
  };
}

/** What must not begin before the kernel has said that all is well. */
function refusal(error: ConfigError | ElfError | ExecError): MachineRefusal {
  switch (error.kind) {
    case 'config-error':
      return { kind: 'refusal', about: 'kernel', message: error.message, remedy: '' };
    case 'elf-error': {
      const message = `${error.message} (${error.field} at offset ${error.offset})`;
      return { kind: 'refusal', about: 'program', message, remedy: error.remedy };
    }
    case 'exec-error':
      return {
        kind: 'refusal',
        about: 'program',
        message: error.message,
        remedy: error.remedy,
      };
  }
}

class Machine {
  private readonly hierarchy: MemoryHierarchy;
  private readonly processor: Processor;
  private readonly ledger: Ledger;
  private readonly symbols = new SymbolTable();
  private readonly running: RunningKernel;
  private userSymbols = new UserSymbols(this.symbols, []);
  private readonly tids: number[];
  private readonly hardwareEvents: HardwareEvents | undefined;
  /** What setting up has counted. */
  private counted: Readonly<Record<string, number>> = {};
  private readonly resolveUser = (address: bigint): number => this.userSymbols.resolve(address);

  constructor(
    private readonly options: MachineOptions,
    private readonly config: KernelConfig,
    private readonly file: ElfFile,
  ) {
    const { board, tier, filter } = options;
    const cpus = config.maxCpus;
    const linear = new LinearMemory({ cpus, guestBytes: config.memoryBytes });
    this.hierarchy = new MemoryHierarchy(
      linear,
      memoryGeometry(board.memory, config.la57 ? 5 : 4),
      { filter },
    );
    const timer = new BlockTimer(coreTiming(board));
    const timing = timer.time.bind(timer);
    const predictor = predictorSpec(board.core);
    this.hardwareEvents = this.recordHardware(linear);
    const events = this.hardwareEvents && {
      branches: options.events.has(BRANCH_MISS.name),
      beforeDropping: () => {
        this.hardwareEvents?.log.drain();
      },
    };
    const processing = { tier, filter, timing, predictor, events };
    this.processor = new Processor(linear, this.hierarchy, processing);
    this.ledger = new Ledger(cpus);
    this.tids = new Array<number>(cpus).fill(0);
    for (let cpu = 0; cpu < cpus; cpu++) setUpCpu(linear, cpu, board.core);
    const platform = linearPlatform({
      linear,
      hierarchy: this.hierarchy,
      states: Array.from({ length: cpus }, (_, cpu) => new LinearCpuState(linear, cpu)),
      onData: options.observer?.onData,
      context: this.processor,
      code: this.processor,
      harvestUser: () => {
        this.harvestUser();
      },
      onRecords: (first, count) => {
        this.hardwareEvents?.noteKernelRecords(first, count);
      },
      setTask: (cpu, tid) => {
        this.setTask(cpu, tid);
      },
    });
    this.running = startKernel({
      platform,
      config,
      costs: board.kernel,
      coreMHz: board.core.coreMHz,
      tscMHz: board.core.tscMHz,
      features: board.features,
      ledger: this.ledger,
      symbols: this.symbols,
      seed: options.seed,
      files: options.files ?? [],
      trace: options.trace,
      events: options.events,
      onConsole: options.onConsole,
      onMarker: (marker) => {
        this.onMarker(marker);
      },
      onStart: () => {
        this.counted = countersOf(this.hierarchy, this.processor, cpus);
        this.hardwareEvents?.begin();
      },
    });
  }

  run(): MachineResult | MachineRefusal {
    const { running, ledger, options, processor } = this;
    const { kernel } = running;
    const error = running.exec(options.program);
    if (error !== null) return refusal(error);
    const loadBias = this.loadBias(kernel);
    this.userSymbols = new UserSymbols(this.symbols, this.loadedModules(kernel));
    const { status, signal, stuck } = running.run();
    const clocks = running.clocks();
    ledger.closeWindow('', clocks);
    this.hardwareEvents?.finish();
    const counters = countersOf(this.hierarchy, processor, clocks.length);
    return {
      kind: 'result',
      exit: {
        status,
        ...(stuck ? { signal: STUCK } : {}),
        ...(signal === null ? {} : { signal: signalReport(signal, this.userSymbols) }),
      },
      clocks,
      ledger,
      symbols: this.symbols,
      tasks: [
        ...kernel.released.map((task) => taskRow(task, task.parentPid)),
        ...kernel.tasks.map((task) => taskRow(task, task.parent?.pid ?? 0)),
      ],
      userInstructions: processor.instructions,
      kernelInstructions:
        ledger.rows.reduce((sum, row) => sum + row.instructions, 0) - processor.instructions,
      configuration: Object.fromEntries(this.config.words.map(({ word, value }) => [word, value])),
      counters: { ...countedSince(this.counted, counters), ...softwareEvents(kernel.counts) },
      warnings: kernel.warnings,
      loadBias,
      instructionCounts: () => processor.instructionCounts(),
    };
  }

  /** What `--events` asks for of the machine's own events. */
  private recordHardware(linear: LinearMemory): HardwareEvents | undefined {
    const { events, trace } = this.options;
    if (!wantsHardwareEvents(events)) return undefined;
    const tidOf = (cpu: number): number => this.tids[cpu];
    const processor = (): Processor => this.processor;
    const recorder = new HardwareEvents({ linear, processor, sink: trace, events, tidOf });
    this.hierarchy.drainEvents = () => {
      recorder.log.drain();
    };
    return recorder;
  }

  private setTask(cpu: number, tid: number): void {
    if (this.tids[cpu] === tid) return;
    this.settleUser(cpu);
    this.hardwareEvents?.log.drain();
    this.tids[cpu] = tid;
  }

  private harvestUser(): void {
    for (let cpu = 0; cpu < this.tids.length; cpu++) this.settleUser(cpu);
  }

  /** Books what a CPU ran in user mode to the task that it ran. */
  private settleUser(cpu: number): void {
    this.processor.settle(cpu, this.tids[cpu], this.ledger, this.resolveUser);
  }

  /** Marker 2k+1 begins phase k, marker 2k+2 ends it; after the last phase comes the teardown. */
  private onMarker(marker: number): void {
    const { phases } = this.options;
    const isBegin = marker % 2 === 1;
    const phase = (marker - (isBegin ? 1 : 2)) / 2;
    if (marker === 0 || phase >= phases.length) return;
    const after = phase === phases.length - 1 ? TEARDOWN : BETWEEN;
    this.ledger.closeWindow(isBegin ? phases[phase] : after, this.running.clocks());
    this.options.observer?.onMarker(marker);
  }

  private loadBias({ current }: Kernel): bigint {
    return current.mm === null ? 0n : BigInt(current.mm.startCode) - codeBegin(this.file);
  }

  private loadedModules(kernel: Kernel): LoadedModule[] {
    const { vdso } = kernel;
    const { mm } = kernel.current;
    if (mm === null) return [];
    const loads = this.file.segments.filter(({ type }) => type === SegmentType.LOAD);
    const lowest = loads.reduce(
      (least, { address }) => (address < least ? address : least),
      loads[0].address,
    );
    const end = loads.reduce((most, { address, memoryBytes }) => {
      const last = address + BigInt(memoryBytes);
      return last > most ? last : most;
    }, 0n);
    const bias = this.loadBias(kernel);
    const modules: LoadedModule[] = [
      {
        name: this.options.program.path,
        begin: (lowest & PAGE_MASK) + bias,
        end: end + bias,
        functions: functionsOf(this.file, bias),
      },
    ];
    if (vdso !== null && mm.vdso !== 0) {
      const begin = BigInt(mm.vdso);
      modules.push({
        name: 'vdso',
        begin,
        end: begin + BigInt(vdso.text.frames.length * 4096),
        functions: vdso.symbols.map(({ name, offset, size }) => ({
          name,
          address: begin + BigInt(offset),
          size,
        })),
      });
    }
    return modules;
  }
}

/** What mm_struct.start_code is in the file: the lowest address of an executable segment. */
function codeBegin({ segments }: ElfFile): bigint {
  const executable = segments.filter(
    ({ type, flags }) => type === SegmentType.LOAD && (flags & 1) !== 0,
  );
  return executable.reduce(
    (least, { address }) => (address < least ? address : least),
    executable[0]?.address ?? 0n,
  );
}

function setUpCpu(linear: LinearMemory, cpu: number, core: CoreSpec): void {
  const block = linear.cpuBlock(cpu);
  const { i32, data } = linear;
  i32[(block + Cpu.TSC_NUMERATOR) >> 2] = Math.round(core.tscMHz * TSC_RATIO_SCALE);
  i32[(block + Cpu.TSC_DENOMINATOR) >> 2] = Math.round(
    core.coreMHz * TSC_RATIO_SCALE * TICKS_PER_CYCLE,
  );
  i32[(block + Cpu.TSC_AUX) >> 2] = cpu;
  setRepeatCosts(data, block, core);
}

function taskRow(task: Omit<ReleasedTask, 'parentPid'>, parent: number): TaskRow {
  const { pid, tgid, comm, startTick, exitTick } = task;
  return {
    tid: pid,
    tgid,
    parent,
    comm,
    startTick,
    ...(exitTick === null ? {} : { exitTick }),
  };
}
