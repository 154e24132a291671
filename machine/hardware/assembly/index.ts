/**
 * The WebAssembly core: the code that every memory access and every cold block runs through.
 * AssemblyScript; compiled by `npm run generate`. Entry file: exports only.
 */
export * from './access';
export * from './divide';
export { readTsc } from './clock';
export { cpuid } from './cpuid';
export { interpret } from './interpret';
export { repString } from './string';
