/**
 * An x86-64 assembler for programs written in TypeScript: `asm.mov(rax, qword(rdi, 8))`. Each
 * instruction that iced-x86 knows in 64-bit legacy encoding is a method; the shortest form that
 * takes the operands is chosen, and branches shrink to one byte where their target is near.
 * This is the only module that encodes instructions. Omits: VEX and EVEX forms, far branches.
 */
import {
  Code,
  CodeExt,
  EncodingKind,
  Encoder,
  Instruction,
  MemorySizeExt,
  OpCodeOperandKind as Kind,
  OpKind,
  Register as IcedRegister,
} from 'iced-x86';
import { MachineBug } from '../../core/assert.ts';
import { AssemblerSections } from './assembler-sections.ts';
import type { EncodableInstruction, Encoding, Prefix } from './assembler-sections.ts';
import { describeOperand } from './operands.ts';
import type { Label, Memory, Operand, Register } from './operands.ts';

// Programs are written against this module alone.
export { address, byte, dword, qword, registers, word, xmmword } from './operands.ts';
export type { Label, Memory, Register } from './operands.ts';
export type { SourceOf } from './assembler-sections.ts';

type CodeName = Extract<keyof typeof Code, string>;
type Encoded<Name extends string> = Name extends `${'VEX' | 'EVEX' | 'XOP' | 'MVEX'}_${string}`
  ? never
  : Name;
type IcedMnemonic<Name extends string> = Name extends `${infer Head}_${string}` ? Head : Name;

/** iced names the operand size of a few instructions where programmers do not. */
const RENAMED = {
  Retnq: 'ret',
  Pushq: 'push',
  Popq: 'pop',
  Leaveq: 'leave',
  Nopw: 'nop',
  Nopd: 'nop',
  Nopq: 'nop',
} as const;

type PlainMnemonic = Lowercase<Exclude<IcedMnemonic<Encoded<CodeName>>, keyof typeof RENAMED>>;
export type Mnemonic = PlainMnemonic | (typeof RENAMED)[keyof typeof RENAMED];

/** What an operand position accepts. */
interface OperandSpec {
  readonly kind: Kind;
  /** Bytes of the general or vector register it takes. */
  readonly register?: number;
  /** The one register it takes. */
  readonly fixed?: string;
  readonly memory?: boolean;
  /** Iced's kind of the immediate, and how many bits are encoded of how wide a value. */
  readonly immediate?: { readonly opKind: OpKind; readonly bits: number; readonly of: number };
  readonly branch?: 'short' | 'near';
  /** Operands of string instructions, which nobody writes. */
  readonly implied?: OpKind;
}

const imm = (opKind: OpKind, bits: number, of = bits): Omit<OperandSpec, 'kind'> => ({
  immediate: { opKind, bits, of },
});

const SPECS: Readonly<Partial<Record<Kind, Omit<OperandSpec, 'kind'>>>> = {
  [Kind.mem]: { memory: true },
  [Kind.r8_or_mem]: { register: 1, memory: true },
  [Kind.r16_or_mem]: { register: 2, memory: true },
  [Kind.r32_or_mem]: { register: 4, memory: true },
  [Kind.r64_or_mem]: { register: 8, memory: true },
  [Kind.xmm_or_mem]: { register: 16, memory: true },
  [Kind.r8_reg]: { register: 1 },
  [Kind.r8_opcode]: { register: 1 },
  [Kind.r16_reg]: { register: 2 },
  [Kind.r16_rm]: { register: 2 },
  [Kind.r16_opcode]: { register: 2 },
  [Kind.r32_reg]: { register: 4 },
  [Kind.r32_rm]: { register: 4 },
  [Kind.r32_opcode]: { register: 4 },
  [Kind.r64_reg]: { register: 8 },
  [Kind.r64_rm]: { register: 8 },
  [Kind.r64_opcode]: { register: 8 },
  [Kind.xmm_reg]: { register: 16 },
  [Kind.xmm_rm]: { register: 16 },
  [Kind.al]: { fixed: 'al' },
  [Kind.cl]: { fixed: 'cl' },
  [Kind.ax]: { fixed: 'ax' },
  [Kind.dx]: { fixed: 'dx' },
  [Kind.eax]: { fixed: 'eax' },
  [Kind.rax]: { fixed: 'rax' },
  [Kind.imm8]: imm(OpKind.Immediate8, 8),
  [Kind.imm8_const_1]: imm(OpKind.Immediate8, 1),
  [Kind.imm8sex16]: imm(OpKind.Immediate8to16, 8, 16),
  [Kind.imm8sex32]: imm(OpKind.Immediate8to32, 8, 32),
  [Kind.imm8sex64]: imm(OpKind.Immediate8to64, 8, 64),
  [Kind.imm16]: imm(OpKind.Immediate16, 16),
  [Kind.imm32]: imm(OpKind.Immediate32, 32),
  [Kind.imm32sex64]: imm(OpKind.Immediate32to64, 32, 64),
  [Kind.imm64]: imm(OpKind.Immediate64, 64),
  [Kind.seg_rSI]: { implied: OpKind.MemorySegRSI },
  [Kind.es_rDI]: { implied: OpKind.MemoryESRDI },
  [Kind.br64_1]: { branch: 'short' },
  [Kind.br64_4]: { branch: 'near' },
};

/** One form of an instruction: a code of iced with what its operands accept. */
interface Form {
  readonly code: Code;
  readonly operands: readonly OperandSpec[];
  /** Bytes of its memory operand; 0 when any will do. */
  readonly memoryBytes: number;
  readonly isString: boolean;
}

const FOREIGN_ENCODING = /^(VEX|EVEX|XOP|MVEX|D3NOW)_/;

/** Names of the codes of each mnemonic. */
const CODES: ReadonlyMap<string, readonly CodeName[]> = (() => {
  const codes = new Map<string, CodeName[]>();
  for (const name of Object.keys(Code) as CodeName[]) {
    if (FOREIGN_ENCODING.test(name) || !/^[A-Z][a-z]/.test(name)) continue;
    const head = name.split('_', 1)[0];
    const mnemonic = head in RENAMED ? RENAMED[head as keyof typeof RENAMED] : head.toLowerCase();
    const list = codes.get(mnemonic);
    if (list === undefined) codes.set(mnemonic, [name]);
    else list.push(name);
  }
  return codes;
})();

const formsByMnemonic = new Map<string, readonly Form[]>();

function formsOf(mnemonic: string): readonly Form[] {
  let forms = formsByMnemonic.get(mnemonic);
  if (forms === undefined) {
    const names = CODES.get(mnemonic);
    if (names === undefined) throw new MachineBug(`the assembler knows no instruction ${mnemonic}`);
    forms = names.map((name) => readForm(Code[name])).filter((form) => form !== undefined);
    formsByMnemonic.set(mnemonic, forms);
  }
  return forms;
}

function readForm(code: Code): Form | undefined {
  const info = CodeExt.opCode(code);
  try {
    if (!info.mode64 || info.encoding !== EncodingKind.Legacy) return undefined;
    const operands: OperandSpec[] = [];
    for (let i = 0; i < info.opCount; i++) {
      const kind = info.opKind(i);
      const spec = SPECS[kind];
      if (spec === undefined) return undefined;
      operands.push({ kind, ...spec });
    }
    const isString = operands.some(({ implied }) => implied !== undefined);
    return { code, operands, memoryBytes: MemorySizeExt.size(info.memorySize), isString };
  } finally {
    info.free();
  }
}

function accepts(form: Form, operands: readonly Operand[]): boolean {
  if (form.isString) return operands.length === 0;
  return (
    form.operands.length === operands.length &&
    form.operands.every((spec, i) => acceptsOperand(spec, form.memoryBytes, operands[i]))
  );
}

function acceptsOperand(spec: OperandSpec, memoryBytes: number, operand: Operand): boolean {
  if (typeof operand !== 'object') return acceptsImmediate(spec, BigInt(operand));
  switch (operand.kind) {
    case 'label':
      return spec.branch !== undefined;
    case 'register':
      return spec.fixed === operand.name || spec.register === operand.bytes;
    case 'memory':
      if (operand.bytes === 0) return spec.kind === Kind.mem;
      return spec.memory === true && (memoryBytes === operand.bytes || memoryBytes === 0);
  }
}

function acceptsImmediate({ immediate }: OperandSpec, value: bigint): boolean {
  if (immediate === undefined) return false;
  const { bits, of } = immediate;
  if (bits === 1) return value === 1n;
  const inRange = value >= -(1n << BigInt(of - 1)) && value < 1n << BigInt(of);
  return inRange && (bits === of || fitsSigned(BigInt.asIntN(of, value), bits));
}

const fitsSigned = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;

/** The address that stands for `label` while the layout is unknown: none is further than 2 GiB. */
type AddressOf = (label: Label) => bigint;

const REGISTERS = IcedRegister as unknown as Readonly<Record<string, IcedRegister>>;

/** iced calls the low bytes of r8..r15 r8l..r15l. */
const namedRegister = (name: string): IcedRegister =>
  REGISTERS[name.replace(/^(r\d+)b$/, '$1l').toUpperCase()];

const icedRegister = (register: Register | undefined): IcedRegister =>
  register === undefined ? IcedRegister.None : namedRegister(register.name);

function setMemory(instruction: Instruction, memory: Memory, addressOf: AddressOf): void {
  const { base, index, offset } = memory;
  if (base?.kind === 'label') {
    if (index !== undefined) throw new MachineBug('an address relative to rip has no index');
    instruction.memoryBase = IcedRegister.RIP;
    instruction.memoryDisplSize = 8;
    instruction.memoryDisplacement = addressOf(base) + BigInt(offset);
  } else {
    instruction.memoryBase = icedRegister(base);
    instruction.memoryIndex = icedRegister(index);
    instruction.memoryIndexScale = memory.scale;
    instruction.memoryDisplacement = BigInt(offset);
    const wide = memory.wideOffset || base === undefined;
    instruction.memoryDisplSize = wide ? 8 : offset === 0 ? 0 : 1;
  }
  if (memory.segment !== undefined) {
    instruction.segmentPrefix = namedRegister(memory.segment);
  }
}

function setImmediate(instruction: Instruction, i: number, spec: OperandSpec, value: bigint): void {
  if (spec.immediate === undefined) throw new MachineBug('the form takes no immediate');
  instruction.setOpKind(i, spec.immediate.opKind);
  if (spec.immediate.of === 64) instruction.setImmediateI64(i, BigInt.asIntN(64, value));
  else instruction.setImmediateI32(i, Number(BigInt.asIntN(32, value)));
}

function setOperand(
  instruction: Instruction,
  i: number,
  { form, operand }: { form: Form; operand: Operand | undefined },
  addressOf: AddressOf,
): void {
  const spec = form.operands[i];
  if (operand === undefined) {
    // A string instruction: its memory operands are implied, its register is rax of some width.
    if (spec.implied !== undefined) instruction.setOpKind(i, spec.implied);
    else instruction.setOpRegister(i, namedRegister(spec.fixed ?? ''));
  } else if (typeof operand !== 'object') {
    setImmediate(instruction, i, spec, BigInt(operand));
  } else if (operand.kind === 'register') {
    instruction.setOpRegister(i, icedRegister(operand));
  } else if (operand.kind === 'memory') {
    instruction.setOpKind(i, OpKind.Memory);
    setMemory(instruction, operand, addressOf);
  } else {
    instruction.setOpKind(i, OpKind.NearBranch64);
    instruction.nearBranch64 = BigInt.asUintN(64, addressOf(operand));
  }
}

let encoder: Encoder | undefined;

function encode(
  form: Form,
  { operands, prefix }: EncodableInstruction,
  at: { readonly address: bigint; readonly addressOf: AddressOf },
): Uint8Array {
  encoder ??= new Encoder(64);
  const instruction = new Instruction();
  try {
    instruction.code = form.code;
    instruction.hasLockPrefix = prefix === 'lock';
    instruction.hasRepPrefix = prefix === 'rep';
    instruction.hasRepnePrefix = prefix === 'repne';
    for (let i = 0; i < form.operands.length; i++) {
      const operand = form.isString ? undefined : operands[i];
      setOperand(instruction, i, { form, operand }, at.addressOf);
    }
    encoder.encode(instruction, BigInt.asUintN(64, at.address));
    return encoder.takeBuffer();
  } catch (error) {
    encoder.takeBuffer();
    throw error;
  } finally {
    instruction.free();
  }
}

function shortestForm(forms: readonly Form[], instruction: EncodableInstruction): Form {
  const here = { address: 0n, addressOf: () => 0n };
  let best = forms[0];
  let bestBytes = Infinity;
  for (const form of forms) {
    const { length } = forms.length === 1 ? [0] : encode(form, instruction, here);
    if (length < bestBytes) [best, bestBytes] = [form, length];
  }
  return best;
}

/** Instructions whose operands may be written in either order, but are encoded memory first. */
const SYMMETRIC: ReadonlySet<string> = new Set(['xchg', 'test']);

const isMemory = (operand: Operand | undefined): boolean =>
  typeof operand === 'object' && operand.kind === 'memory';

/** Finds how to encode an instruction; throws MachineBug if none of its forms takes the operands. */
function choose(given: EncodableInstruction): Encoding {
  const { mnemonic } = given;
  const swapped = SYMMETRIC.has(mnemonic) && isMemory(given.operands[1]);
  const operands = swapped ? given.operands.toReversed() : given.operands;
  const instruction = { ...given, operands };
  const forms = formsOf(mnemonic).filter((form) => accepts(form, operands));
  if (forms.length === 0) {
    const list = operands.map(describeOperand).join(', ');
    throw new MachineBug(`no form of ${mnemonic} takes (${list})`);
  }
  const branchForm = (branch: 'short' | 'near'): Form | undefined =>
    forms.find((form) => form.operands.some((spec) => spec.branch === branch));
  const near = branchForm('near') ?? branchForm('short');
  if (near === undefined) {
    const form = shortestForm(forms, instruction);
    return { encode: (at) => encode(form, instruction, at) };
  }
  const short = branchForm('short');
  if (short === undefined || short === near) {
    return { encode: (at) => encode(near, instruction, at) };
  }
  return {
    encode: (at) => encode(near, instruction, at),
    encodeShort: (at) => encode(short, instruction, at),
  };
}

class AssemblerBase extends AssemblerSections {
  private pendingPrefix: Prefix | undefined;

  /** Emits one instruction, as the method of that name does. */
  instruction(mnemonic: Mnemonic, ...operands: readonly Operand[]): void {
    const prefix = this.pendingPrefix;
    this.pendingPrefix = undefined;
    this.emit({ mnemonic, operands, prefix }, choose({ mnemonic, operands, prefix }));
  }

  /** Puts a prefix before the next instruction: `asm.lock().xadd(...)`. */
  lock(): this {
    this.pendingPrefix = 'lock';
    return this;
  }

  rep(): this {
    this.pendingPrefix = 'rep';
    return this;
  }

  repne(): this {
    this.pendingPrefix = 'repne';
    return this;
  }
}

type InstructionMethods = Readonly<
  Record<Exclude<Mnemonic, keyof AssemblerBase>, (...operands: readonly Operand[]) => void>
>;

/** The assembler: sections, labels and data from AssemblerSections, and a method per instruction. */
export type Assembler = AssemblerBase & InstructionMethods;

for (const mnemonic of CODES.keys()) {
  if (mnemonic in AssemblerBase.prototype) continue;
  Object.defineProperty(AssemblerBase.prototype, mnemonic, {
    value(this: AssemblerBase, ...operands: readonly Operand[]): void {
      this.instruction(mnemonic as Mnemonic, ...operands);
    },
  });
}

/** The loop above gives every instance the methods that this type names. */
export const Assembler = AssemblerBase as unknown as new (
  ...options: ConstructorParameters<typeof AssemblerBase>
) => Assembler;
