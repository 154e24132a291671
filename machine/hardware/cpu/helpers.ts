/** How an executor must call each helper of the AssemblyScript core; see Helper in ir.ts. */

/** How an executor must call a helper. */
export interface HelperInfo {
  /** Name of the export. */
  readonly name: string;
  /** i64 arguments after the CPU block. */
  readonly args: number;
  /**
   * Reads or writes registers, flags, xmm, LEFT: before the call all state is in the CPU block, and
   * RIP (this instruction) and EXIT_RECORD (the block's record) are set; after it all is reloaded.
   * Such a helper subtracts stall ticks from LEFT itself.
   */
  readonly spills: boolean;
  /**
   * Returns 1, or 0 when it faulted: EXIT_REASON, EXIT_INFO, EXIT_ADDRESS are set and the executor
   * exits at once as for a fault, without writing state back. All of these spill.
   */
  readonly mayFault: boolean;
  /** Raises exceptions in MXCSR; an unmasked one, which the interpreter alone meets, traps. */
  readonly traps: boolean;
}

const pure = (name: string, args: number): HelperInfo => ({
  name,
  args,
  spills: false,
  mayFault: false,
  traps: false,
});
const float = (name: string, args: number): HelperInfo => ({ ...pure(name, args), traps: true });
const spilling = (name: string, args: number, mayFault: boolean): HelperInfo => ({
  name,
  args,
  spills: true,
  mayFault,
  traps: false,
});

/** Indexed by Helper. */
export const HELPERS: readonly HelperInfo[] = [
  pure('divideU128', 3),
  pure('divideS128', 3),
  pure('divideS128Overflows', 3),
  pure('rotateCarryLeft', 3),
  pure('rotateCarryRight', 3),
  float('f64FromI64', 1),
  float('f32FromI64', 1),
  float('f64ToI64', 2),
  float('f64ToI32', 2),
  float('f32ToI64', 2),
  float('f32ToI32', 2),
  float('f32FromF64', 1),
  float('f64FromF32', 1),
  float('compareF64', 3),
  float('compareF32', 3),
  spilling('repString', 1, true),
  pure('cpuid', 2),
  spilling('readTsc', 0, false),
  spilling('fxSave', 1, true),
  spilling('fxRestore', 1, true),
  pure('x87', 3),
  spilling('x87Memory', 2, true),
];
