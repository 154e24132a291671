/** What generated code imports: the memory model's slow path, the support routines, the helpers. */
import { HELPERS } from '../cpu/helpers.ts';
import type { FunctionImport, FunctionType } from './wasm-encoder.ts';
import { ValueType } from './wasm-opcodes.ts';

const I32 = ValueType.I32;
const I64 = ValueType.I64;
const V128 = ValueType.V128;

/** Function index, in every generated module, of each import. Helper h is at HELPERS + h. */
export const enum CoreFunction {
  READ,
  WRITE,
  FETCH,
  COMMIT_SPLIT,
  FLAGS_IMAGE,
  CARRY,
  DRAIN,
  LEARN_BRANCH,
  LEARN_TARGET,
  MISPREDICTED,
  FLOAT,
  HELPERS,
}

/** A region: takes the CPU block's address, returns an ExitReason. */
export const REGION_TYPE: FunctionType = { parameters: [I32], results: [I32] };

const ACCESS_TYPE: FunctionType = { parameters: [I32, I64, I32, I32], results: [I32] };

export const FLAGS_IMAGE_TYPE: FunctionType = {
  parameters: [I32, I64, I64, I64],
  results: [I32],
};

const FLOAT_TYPE: FunctionType = {
  parameters: [I32, I32, V128, V128],
  results: [V128],
};

/** In the order of CoreFunction. */
export const CORE_IMPORTS: readonly FunctionImport[] = [
  { name: 'read', type: ACCESS_TYPE },
  { name: 'write', type: ACCESS_TYPE },
  { name: 'fetch', type: { parameters: [I32, I64, I32], results: [I32] } },
  { name: 'commitSplit', type: { parameters: [I32], results: [] } },
  { name: 'flagsImage', type: FLAGS_IMAGE_TYPE },
  { name: 'carry', type: { parameters: [I32, I32, I64], results: [] } },
  { name: 'drain', type: { parameters: [I32], results: [] } },
  { name: 'learnBranch', type: { parameters: [I32, I64, I32, I64, I32, I32], results: [I32] } },
  { name: 'learnTarget', type: { parameters: [I32, I64, I64, I64, I32, I32], results: [I32] } },
  { name: 'mispredicted', type: { parameters: [I32, I32, I32], results: [I32] } },
  { name: 'floatVector', type: FLOAT_TYPE },
  ...HELPERS.map(({ name, args }) => ({
    name,
    type: { parameters: [I32, ...new Array<ValueType>(args).fill(I64)], results: [I64] },
  })),
];
