/**
 * The WebAssembly core: the code that every memory access and every cold block runs through.
 * AssemblyScript; compiled by `npm run generate`. Entry file: exports only.
 */
export * from './access';
