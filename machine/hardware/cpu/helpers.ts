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
}

const pure = (name: string, args: number): HelperInfo => ({
  name,
  args,
  spills: false,
  mayFault: false,
});

/** Indexed by Helper. */
export const HELPERS: readonly HelperInfo[] = [
  pure('divideU128', 3),
  pure('divideS128', 3),
  pure('divideS128Overflows', 3),
  pure('rotateCarryLeft', 3),
  pure('rotateCarryRight', 3),
  pure('f64FromI64', 1),
  pure('f32FromI64', 1),
  pure('f64ToI64', 2),
  pure('f64ToI32', 2),
  pure('f32ToI64', 2),
  pure('f32ToI32', 2),
  pure('f32FromF64', 1),
  pure('f64FromF32', 1),
  pure('compareF64', 2),
  pure('compareF32', 2),
  { name: 'repString', args: 1, spills: true, mayFault: true },
  pure('cpuid', 2),
  { name: 'readTsc', args: 0, spills: true, mayFault: false },
  { name: 'fxSave', args: 1, spills: true, mayFault: true },
  { name: 'fxRestore', args: 1, spills: true, mayFault: true },
  pure('x87', 3),
  { name: 'x87Memory', args: 2, spills: true, mayFault: true },
];
