/** Facts of the modelled kernel functions for those who read a ledger. */
export { branchDensity } from '../linux/arch/x86/model/kernel-text.ts';
