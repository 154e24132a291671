/** What comes in as an interrupt, after Linux 6.1 arch/x86/include/asm/irq_vectors.h and idtentry.h. */
import type { F } from '../../arch/x86/model/generated/function-ids.ts';

export interface InterruptGate {
  /** asm_sysvec_* */
  readonly stub: F;
  readonly vector: number;
}
