/** Facts of the modelled kernel functions for those who read a ledger. */
export {
  branchDensity,
  modelledFunctions,
  type ModelledFunction,
} from '../linux/arch/x86/model/kernel-text.ts';
