/**
 * Turns regions into callable WebAssembly: one module for a batch, one function for each region,
 * entered through slots of one shared table.
 */
import { assert, MachineBug } from '../../core/assert.ts';
import { Records } from '../layout.ts';
import { CORE_IMPORTS, REGION_TYPE } from './core-imports.ts';
import type { TranslationOptions } from './region-context.ts';
import { supportModule, type SupportExports } from './support.ts';
import { translateRegion, type TranslationRegion } from './translate.ts';
import { encodeModule } from './wasm-encoder.ts';

/** The table grows by at least so many slots. */
const TABLE_GROWTH = 1024;
/**
 * An engine keeps every instance that uses a table as long as the table lives, each with a copy of it
 * (V8 does). A guest that goes on rewriting its code must not take all memory of the host so.
 */
const COPY_BYTES_PER_SLOT = 24;
const COPIES_BYTES_MAX = 256 << 20;
/** Slots in all; the dispatcher starts over before it runs out. */
const REGIONS_MAX: number = Records.REGIONS_MAX;

function missing(name: string): CallableFunction {
  return () => {
    throw new MachineBug(`the core does not export ${name}`);
  };
}

export class RegionCompiler {
  readonly table: WebAssembly.Table;
  private readonly support: SupportExports;
  private readonly imports: Record<string, WebAssembly.ImportValue>;
  /** What comes before is the core's. */
  private readonly first: number;
  private next: number;
  private modules = 0;

  constructor(
    memory: WebAssembly.Memory,
    core: Readonly<Record<string, unknown>>,
    private readonly options: TranslationOptions,
  ) {
    // The core's own table, so that the interpreter can go on in a region.
    this.table = core['table'] as WebAssembly.Table;
    this.first = this.table.length;
    this.next = this.first;
    const basis = { memory, table: this.table };
    const module = new WebAssembly.Module(supportModule());
    const instance = new WebAssembly.Instance(module, { env: basis });
    this.support = instance.exports as unknown as SupportExports;
    this.imports = { ...basis, flagsImage: this.support.flagsImage };
    for (const { name } of CORE_IMPORTS) {
      if (name in this.imports) continue;
      const routine = core[name];
      this.imports[name] = typeof routine === 'function' ? routine : missing(name);
    }
  }

  /** The slot that the next region gets. */
  get nextSlot(): number {
    return this.next;
  }

  /** Slots that are left. */
  get free(): number {
    return REGIONS_MAX - this.next;
  }

  /** No more may be compiled, ever: what is left to the interpreter then changes no result. */
  get isExhausted(): boolean {
    return this.modules * this.table.length * COPY_BYTES_PER_SLOT > COPIES_BYTES_MAX;
  }

  /** Compiles a batch; region i gets slot result + i. */
  compile(regions: readonly TranslationRegion[]): number {
    const tableBase = this.next;
    this.modules++;
    this.next += regions.length;
    assert(this.next <= REGIONS_MAX, 'the function table has room');
    if (this.next > this.table.length) {
      this.table.grow(Math.max(this.table.length, TABLE_GROWTH));
    }
    const functions = regions.map((region) => ({
      type: REGION_TYPE,
      body: translateRegion(region, this.options),
    }));
    const bytes = encodeModule({ imports: CORE_IMPORTS, functions, tableBase }, REGION_TYPE);
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: this.imports });
    return tableBase;
  }

  /** Runs the region in `slot` on the CPU whose block is at `cpu`; returns an ExitReason. */
  enter(cpu: number, slot: number): number {
    return this.support.enter(cpu, slot);
  }

  drop(slot: number): void {
    this.table.set(slot, null);
  }

  /** Drops every region; slots are given out from the first again. */
  reset(): void {
    for (let slot = this.first; slot < this.next; slot++) this.table.set(slot, null);
    this.next = this.first;
  }
}
