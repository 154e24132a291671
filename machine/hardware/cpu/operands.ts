/**
 * Operands of x86-64 instructions as programs written in TypeScript name them: registers, memory
 * operands and labels. Plain data, known to the assembler alone. Omits: AVX, x87, segment registers
 * other than the fs and gs overrides.
 */

export interface Register {
  readonly kind: 'register';
  readonly name: string;
  readonly bytes: 1 | 2 | 4 | 8 | 16;
}

/** A place in the program; the assembler that made it knows its address once it links. */
export interface Label {
  readonly kind: 'label';
  readonly name: string;
}

export interface Memory {
  readonly kind: 'memory';
  /** Bytes accessed; 0 means that the instruction alone decides (lea, prefetch). */
  readonly bytes: number;
  readonly base?: Register | Label | undefined;
  readonly index?: Register | undefined;
  readonly scale: 1 | 2 | 4 | 8;
  readonly offset: number;
  /** Encode the offset in four bytes even where one would do. */
  readonly wideOffset: boolean;
  readonly segment?: 'fs' | 'gs' | undefined;
}

/** Numbers and bigints are immediates; a label is the target of a branch. */
export type Operand = Register | Memory | Label | number | bigint;

/** Where a memory operand points, when a base and an offset are not enough. */
export interface Place {
  readonly base?: Register | Label;
  readonly index?: Register;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly offset?: number;
  readonly wideOffset?: boolean;
  readonly segment?: 'fs' | 'gs';
}

type MemoryMaker = (place: Register | Label | Place, offset?: number) => Memory;

const memory =
  (bytes: number): MemoryMaker =>
  (place, offset = 0) => {
    const given: Place = 'kind' in place ? { base: place, offset } : place;
    return {
      kind: 'memory',
      bytes,
      base: given.base,
      index: given.index,
      scale: given.scale ?? 1,
      offset: given.offset ?? 0,
      wideOffset: given.wideOffset ?? false,
      segment: given.segment,
    };
  };

/** `qword(rdi, 8)` is `qword ptr [rdi+8]`; `qword(label)` is relative to rip. */
export const byte = memory(1);
export const word = memory(2);
export const dword = memory(4);
export const qword = memory(8);
export const xmmword = memory(16);
/** A memory operand without a size, for lea and prefetches. */
export const address = memory(0);

const OLD_NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const LOW_BYTE_NAMES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'] as const;
const NEW_NAMES = ['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
const NUMBERS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;

type OldName = (typeof OLD_NAMES)[number];
type NewName = (typeof NEW_NAMES)[number];
export type RegisterName =
  | `r${OldName}`
  | `e${OldName}`
  | OldName
  | (typeof LOW_BYTE_NAMES)[number]
  | NewName
  | `${NewName}${'d' | 'w' | 'b'}`
  | `xmm${(typeof NUMBERS)[number]}`;

/** Every register: `const { rax, edi, xmm0 } = registers`. */
export const registers: Readonly<Record<RegisterName, Register>> = (() => {
  const all: Partial<Record<RegisterName, Register>> = {};
  const add = (name: RegisterName, bytes: Register['bytes']): void => {
    all[name] = { kind: 'register', name, bytes };
  };
  for (const name of OLD_NAMES) {
    add(`r${name}`, 8);
    add(`e${name}`, 4);
    add(name, 2);
  }
  for (const name of LOW_BYTE_NAMES) add(name, 1);
  for (const name of NEW_NAMES) {
    add(name, 8);
    add(`${name}d`, 4);
    add(`${name}w`, 2);
    add(`${name}b`, 1);
  }
  for (const number of NUMBERS) add(`xmm${number}`, 16);
  return all as Record<RegisterName, Register>;
})();

/** The operand as an assembler listing would show it, for messages. */
export function describeOperand(operand: Operand): string {
  if (typeof operand !== 'object') return operand.toString();
  if (operand.kind !== 'memory') return operand.name;
  const parts = [operand.base?.name, operand.index && `${operand.index.name}*${operand.scale}`];
  if (operand.offset !== 0) parts.push(operand.offset.toString());
  const place = parts.filter((part) => part !== undefined).join('+');
  return `${operand.bytes === 0 ? '' : `${operand.bytes}-byte `}[${place}]`;
}
