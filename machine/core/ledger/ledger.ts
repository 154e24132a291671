/**
 * The ledger: double-entry book-keeping of time.
 *
 * Every tick that a CPU's clock advances is posted to exactly one account
 * cpu x task x context x symbol, under one cause. `balance()` holds the books against the clocks.
 * A window is a stretch of a run between two markers; accounts are kept per window.
 */
import { assert } from '../assert.ts';
import type { Ticks } from '../units.ts';
import { Cause } from './cause.ts';
import type { Context } from './context.ts';

/** Row index of an account in the current window. */
export type AccountId = number;

export interface Account {
  readonly cpu: number;
  readonly tid: number;
  readonly context: Context;
  /** Index into the run's symbol table. */
  readonly symbol: number;
}

/** One account's sums in one closed window. */
export interface LedgerRow extends Account {
  readonly window: number;
  /** Ticks by Cause. */
  readonly ticks: Float64Array;
  readonly instructions: number;
  /** Executions of the symbol's blocks (user) or calls of the function (kernel). */
  readonly count: number;
}

export interface LedgerWindow {
  readonly name: string;
  readonly begin: readonly Ticks[];
  readonly end: readonly Ticks[];
}

const INITIAL_ACCOUNTS = 256;

export class Ledger {
  private readonly accounts: Account[] = [];
  private readonly index = new Map<number, Map<number, AccountId>>();
  private ticks = new Float64Array(INITIAL_ACCOUNTS * Cause.COUNT);
  private instructions = new Float64Array(INITIAL_ACCOUNTS);
  private counts = new Float64Array(INITIAL_ACCOUNTS);
  private readonly closed: LedgerRow[] = [];
  private readonly closedWindows: LedgerWindow[] = [];
  private windowName = 'startup';
  private windowBegin: readonly Ticks[];
  /** Sum of every posting so far, per CPU. */
  private readonly posted: Float64Array;

  constructor(cpuCount: number) {
    this.posted = new Float64Array(cpuCount);
    this.windowBegin = new Array<Ticks>(cpuCount).fill(0);
  }

  /** The account's id, stable for the whole run. */
  account(cpu: number, tid: number, context: Context, symbol: number): AccountId {
    const owner = (cpu * 8 + context) * 2 ** 32 + tid;
    let bySymbol = this.index.get(owner);
    if (bySymbol === undefined) this.index.set(owner, (bySymbol = new Map<number, number>()));
    let id = bySymbol.get(symbol);
    if (id === undefined) {
      id = this.accounts.length;
      this.accounts.push({ cpu, tid, context, symbol });
      bySymbol.set(symbol, id);
      if (id === this.counts.length) this.grow();
    }
    return id;
  }

  post(id: AccountId, cause: Cause, ticks: Ticks): void {
    this.ticks[id * Cause.COUNT + cause] += ticks;
    this.posted[this.accounts[id].cpu] += ticks;
  }

  /** Books executions and retired instructions; they are not time. */
  count(id: AccountId, executions: number, instructions: number): void {
    this.counts[id] += executions;
    this.instructions[id] += instructions;
  }

  /** Closes the current window at the CPUs' clocks and opens one named `next`. */
  closeWindow(next: string, clocks: readonly Ticks[]): void {
    const window = this.closedWindows.length;
    this.closedWindows.push({ name: this.windowName, begin: this.windowBegin, end: [...clocks] });
    for (let id = 0; id < this.accounts.length; id++) {
      const ticks = this.ticks.slice(id * Cause.COUNT, (id + 1) * Cause.COUNT);
      const instructions = this.instructions[id];
      const count = this.counts[id];
      if (count === 0 && instructions === 0 && ticks.every((t) => t === 0)) continue;
      this.closed.push({ ...this.accounts[id], window, ticks, instructions, count });
    }
    this.ticks.fill(0);
    this.instructions.fill(0);
    this.counts.fill(0);
    this.windowName = next;
    this.windowBegin = [...clocks];
  }

  get rows(): readonly LedgerRow[] {
    return this.closed;
  }

  get windows(): readonly LedgerWindow[] {
    return this.closedWindows;
  }

  /** Ticks that the clocks show beyond the postings, per CPU: all zero when the books balance. */
  residuals(clocks: readonly Ticks[]): Ticks[] {
    assert(clocks.length === this.posted.length, 'one clock for each CPU');
    return clocks.map((clock, cpu) => clock - this.posted[cpu]);
  }

  private grow(): void {
    const larger = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(old.length * 2);
      copy.set(old);
      return copy;
    };
    this.ticks = larger(this.ticks);
    this.instructions = larger(this.instructions);
    this.counts = larger(this.counts);
  }
}
