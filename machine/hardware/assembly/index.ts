/**
 * The WebAssembly core: the code that every memory access and every cold block runs through.
 * AssemblyScript; compiled by `npm run generate`. Entry file: exports only.
 */
export * from './access';
export * from './divide';
export { readTsc } from './clock';
export {
  compareF32,
  compareF64,
  f32FromF64,
  f32FromI64,
  f32ToI32,
  f32ToI64,
  f64FromF32,
  f64FromI64,
  f64ToI32,
  f64ToI64,
} from './convert';
export { cpuid } from './cpuid';
export { floatVector } from './float-vector';
export { interpret } from './interpret';
export { carry, drain } from './overlap';
export { learnBranch, learnTarget, mispredicted } from './predict';
export { repString } from './string';
export { fxRestore, fxSave, x87Memory } from './float-state';
export { x87 } from './x87';
