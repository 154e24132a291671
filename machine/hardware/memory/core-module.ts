/** Instantiates the WebAssembly core (machine/hardware/assembly) on a machine's memory. */
import { CORE_WASM_BASE64 } from '../generated/core-wasm.ts';

/**
 * The memory model's exports; what they do is documented in assembly/access.ts. `cpu` and `record`
 * are linear addresses. Addresses and counts come back as signed 32-bit numbers.
 */
export interface MemoryExports {
  read(cpu: number, va: bigint, size: number, record: number): number;
  write(cpu: number, va: bigint, size: number, record: number): number;
  commitSplit(cpu: number): void;
  fetch(cpu: number, va: bigint, record: number): number;
  kernelRead(cpu: number, low: number, high: number, record: number): number;
  kernelWrite(cpu: number, low: number, high: number, record: number): number;
  kernelFetch(cpu: number, low: number, high: number, record: number): number;
  translate(cpu: number, va: bigint, flags: number): number;
  invalidateAddress(cpu: number, va: bigint, pcid: bigint): void;
  flushTlb(cpu: number, kind: number, pcid: number): void;
  clearFilters(cpu: number, kernel: number): void;
  dropWritesToPage(cpu: number, hostPage: number): void;
  drain(cpu: number): void;
}

let module: WebAssembly.Module | undefined;

/** The compiled core; compiled once in a process. */
function coreModule(): WebAssembly.Module {
  if (module === undefined) {
    const text = atob(CORE_WASM_BASE64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    module = new WebAssembly.Module(bytes);
  }
  return module;
}

/**
 * A new instance of the core on `memory`; all its state is in that memory. `drainEvents` empties the
 * log of events when it is full; who records none needs none.
 */
export function instantiateCore(
  memory: WebAssembly.Memory,
  drainEvents: () => void = () => undefined,
): MemoryExports {
  const { exports } = new WebAssembly.Instance(coreModule(), { env: { memory, drainEvents } });
  return exports as unknown as MemoryExports;
}
