/** Turns a form ("add r64,m64") into assembly text with random operands. */
import type { Random } from '../inputs.ts';

const R64 = 'rax rcx rdx rbp r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const R32 = 'eax ecx edx ebp r8d r9d r10d r11d r12d r13d r14d r15d'.split(' ');
const R16 = 'ax cx dx bp r8w r9w r10w r12w r15w'.split(' ');
const R8 = 'al cl dl bpl r8b r9b r13b r15b'.split(' ');
/** Registers that an instruction with a high-byte operand may name. */
const R8_LEGACY = ['al', 'cl', 'dl'];
const R8_HIGH = ['ah', 'ch', 'dh'];

const POINTERS: Readonly<Record<number, string>> = {
  8: 'byte ptr', 16: 'word ptr', 32: 'dword ptr', 64: 'qword ptr', 80: 'tbyte ptr', 128: 'xmmword ptr',
}; // prettier-ignore

const SHIFTS = /^(shl|shr|sar|rol|ror|rcl|rcr|shld|shrd|ps[lr])/;
/** Moves that do not need alignment. */
const UNALIGNED = /^(movups|movupd|movdqu|lddqu)/;

function immediate(random: Random, mnemonic: string, bits: number): string {
  if (SHIFTS.test(mnemonic)) return String(random.below(random.below(4) === 0 ? 256 : 66));
  const short = bits === 8 || /^bt[src]?$/.test(mnemonic);
  if (short || random.below(2) === 0) return String(random.below(256) - 128);
  if (bits === 16) return String(random.below(65536) - 32768);
  return String(random.below(2 ** 32) - 2 ** 31);
}

function unsignedImmediate(random: Random): string {
  return String(random.below(256));
}

/** Sometimes misaligned where that faults, sometimes across the page border. */
function memory(random: Random, mnemonic: string, bits: number, fs: boolean): string {
  const size = POINTERS[bits] ?? '';
  if (fs) return `${size} fs:[${String(random.pick([0, 8, 16, -8, 5, 32]))}]`;
  if (bits === 128 && !UNALIGNED.test(mnemonic)) {
    const skew = random.below(16) === 0 ? 8 : 0;
    return `${size} [rsp - ${String(16 * random.below(11) + skew)}]`;
  }
  if (bits === 80) return `${size} [rsp - ${String(16 * (1 + random.below(10)))}]`;
  const base = random.pick(['rbx', 'rsi', 'rdi']);
  return `${size} [${base} + ${String(random.pick([0, 8, 16, 24, -8, 5]))}]`;
}

function leaOperand(random: Random): string {
  const scale = random.pick([1, 2, 4, 8]);
  const displacement = random.below(4000) - 2000;
  switch (random.below(4)) {
    case 0:
      return `[${random.pick(R64)} + ${String(displacement)}]`;
    case 1:
      return `[${random.pick(R64)}*${String(scale)} + ${String(displacement)}]`;
    case 2:
      return `[${random.pick(R32)} + ${random.pick(R32)}*${String(scale)}]`;
    default:
      return `[${random.pick(R64)} + ${random.pick(R64)}*${String(scale)} + ${String(displacement)}]`;
  }
}

function operand(random: Random, kind: string, form: FormParts): string {
  const legacy = form.kinds.includes('r8h');
  switch (kind) {
    case 'r64':
      return random.pick(R64);
    case 'r32':
      return random.pick(legacy ? R32.slice(0, 4) : R32);
    case 'r16':
      return random.pick(R16);
    case 'r8':
      return random.pick(legacy ? R8_LEGACY : R8);
    case 'r8h':
      return random.pick(R8_HIGH);
    case 'x':
      return `xmm${String(random.below(6))}`;
    case 'mm':
      return `mm${String(random.below(6))}`;
    case 'st':
      return 'st';
    case 'm0':
      return leaOperand(random);
    default:
      return memory(random, form.mnemonic, Number(kind.slice(1)), form.fs);
  }
}

export interface FormParts {
  readonly mnemonic: string;
  readonly prefix: string;
  readonly fs: boolean;
  readonly kinds: readonly string[];
}

export function parseForm(form: string): FormParts {
  const fs = form.startsWith('fs: ');
  const rest = fs ? form.slice(4) : form;
  const prefix = /^(lock|repne|repe|rep) /.exec(rest)?.[1] ?? '';
  const body = prefix === '' ? rest : rest.slice(prefix.length + 1);
  const [mnemonic = '', operands = ''] = body.split(' ');
  return { mnemonic, prefix, fs, kinds: operands === '' ? [] : operands.split(',') };
}

/** Instructions whose result is not a function of the state, or that leave the harness. */
const EXCLUDED = /^(syscall|cpuid|rdtsc|rdtscp|tzcnt|lzcnt|rdsspq|rdpid|lsl|ud2|int3)$/;
const JUMP = /^(j\w+|loop|loope|loopne|call|ret)$/;
/** r15 tells afterwards which way the jump went. */
const TAKEN = 'inc r15\n 1: inc r14';

function jumpSnippet(random: Random, form: FormParts): string {
  const { mnemonic, kinds } = form;
  if (mnemonic === 'ret') return `lea rax, [rip + 1f]\n push rax\n ret\n ${TAKEN}`;
  if (kinds[0] === 'rel') {
    const setup = /^(jrcxz|jecxz|loop)/.test(mnemonic)
      ? `and rcx, ${String(random.below(4))}\n `
      : '';
    return `${setup}${mnemonic} 1f\n ${TAKEN}`;
  }
  if (kinds[0] === 'r64') {
    const register = random.pick(R64);
    return `lea ${register}, [rip + 1f]\n ${mnemonic} ${register}\n ${TAKEN}`;
  }
  const place = memory(random, mnemonic, 64, false);
  return `lea rax, [rip + 1f]\n mov ${place}, rax\n ${mnemonic} ${place}\n ${TAKEN}`;
}

const STRING_SNIPPETS = /^(movs|stos|lods|cmps|scas)[bwdq]$/;

function stringSnippet(random: Random, form: FormParts): string {
  const { mnemonic, prefix } = form;
  const count = prefix === '' ? '' : `and ecx, ${String(random.pick([1, 3, 7]))}\n `;
  const direction = random.below(4) === 0 ? 'std\n ' : '';
  // Equal bytes, so that comparisons go on for a while.
  const fill = /^(cmps|scas)/.test(mnemonic)
    ? 'mov rax, [rsi]\n mov [rdi], rax\n mov [rdi + 3], al\n '
    : '';
  const overlap = random.below(4) === 0 ? `lea rdi, [rsi + ${String(random.below(12))}]\n ` : '';
  return `${overlap}${fill}${count}${direction}${prefix} ${mnemonic}\n cld`;
}

function x87Snippet(random: Random, form: FormParts): string {
  const other = `st(${String(random.below(3))})`;
  // Whatever an unmasked exception left pending is taken by the next instruction that waits.
  if (random.below(4) === 0) return `${x87Instruction(random, form, other)}\n fwait`;
  return x87Instruction(random, form, other);
}

/** Their pointers to the last instruction and operand are not kept here, so they are cleared. */
const CLEAR_POINTERS = 'mov qword ptr [rsi + 12], 0\n mov qword ptr [rsi + 20], 0';
const ENVIRONMENT_SNIPPETS: Readonly<Record<string, string>> = {
  fnstenv: `fnstenv [rsi]\n ${CLEAR_POINTERS}`,
  fldenv: `fnstenv [rsi]\n xor word ptr [rsi + 8], ax\n fldenv [rsi]\n ${CLEAR_POINTERS}`,
  fnsave: `fnsave [rsi]\n ${CLEAR_POINTERS}`,
  frstor: `fnsave [rsi]\n xor word ptr [rsi + 8], ax\n frstor [rsi]\n ${CLEAR_POINTERS}`,
};

/** A packed decimal of 18 digits and sign. */
function decimal(random: Random, place: string): string {
  const digits = Array.from({ length: 18 }, () => String(random.below(10))).join('');
  const low = `mov rax, 0x${digits.slice(2)}\n mov qword ptr ${place}, rax`;
  const head = `0x${random.pick(['80', '00'])}${digits.slice(0, 2)}`;
  return `${low}\n mov word ptr ${place.replace(']', ' + 8]')}, ${head}`;
}

function x87Instruction(random: Random, form: FormParts, other: string): string {
  const { mnemonic, kinds } = form;
  const environment = ENVIRONMENT_SNIPPETS[mnemonic];
  if (environment !== undefined) return environment;
  if (mnemonic === 'fbld') {
    const place = random.pick(['[rbx]', '[rsi]', '[rdi]']);
    return `${decimal(random, place)}\n fbld tbyte ptr ${place}`;
  }
  if (mnemonic === 'fxch') return `fxch ${other}`;
  if (kinds.join() === 'st,st') {
    const popping = mnemonic.endsWith('p') && !mnemonic.endsWith('ip');
    if (popping) return `${mnemonic} st(${String(1 + random.below(2))}), st`;
    const reversed = /^f(add|sub|mul|div)/.test(mnemonic) && random.below(2) === 0;
    return reversed ? `${mnemonic} ${other}, st` : `${mnemonic} st, ${other}`;
  }
  if (kinds.join() === 'st') return `${mnemonic} ${other}`;
  if (kinds.length === 0) return mnemonic;
  if (kinds[0] === 'r16') return `${mnemonic} ax`;
  const bits = Number(kinds[0]?.slice(1));
  if (mnemonic === 'fldcw') {
    const control = random.pick([0x37f, 0x77f, 0xb7f, 0xf7f, 0x27f, 0x07f, 0x37e, 0x35f]);
    return `mov word ptr [rsi], ${String(control)}\n fldcw word ptr [rsi]\n fadd st, st(1)\n frndint`;
  }
  if (bits === 80) return `${mnemonic} tbyte ptr [rsp - ${String(16 * (1 + random.below(11)))}]`;
  return `${mnemonic} ${memory(random, mnemonic, bits, false)}`;
}

function enterSnippet(random: Random): string {
  const level = random.below(random.below(2) === 0 ? 2 : 6);
  return `lea rbp, [rbx + 8]\n enter ${String(random.below(64))}, ${String(level)}`;
}

/** Valid values mostly; a reserved bit is #GP. */
function loadMxcsrSnippet(random: Random): string {
  const value = random.below(random.below(8) === 0 ? 0x20000 : 0x10000);
  return `mov dword ptr [rsi], ${String(value)}\n ldmxcsr dword ptr [rsi]`;
}

/** Assembly text of one random instance, or undefined for a form that cannot be checked natively. */
export function snippet(random: Random, text: string): string | undefined {
  const form = parseForm(text);
  const { mnemonic, prefix, kinds } = form;
  if (EXCLUDED.test(mnemonic)) return undefined;
  if (JUMP.test(mnemonic)) return jumpSnippet(random, form);
  const isString = kinds.length === 0 || kinds.some((kind) => kind.startsWith('str'));
  if (isString && STRING_SNIPPETS.test(mnemonic)) return stringSnippet(random, form);
  if (mnemonic.startsWith('f')) return x87Snippet(random, form);
  if (mnemonic === 'enter') return enterSnippet(random);
  if (mnemonic === 'popfq') return `and qword ptr [rsp], 0x8d5\n popfq`;
  if (mnemonic === 'std') return 'std\n lodsb\n cld';
  if (mnemonic === 'leave') return 'lea rbp, [rbx]\n leave\n lea rsp, [rbx + 64]';
  if (mnemonic === 'ldmxcsr') return loadMxcsrSnippet(random);
  if (mnemonic === 'endbr64' || kinds.length === 0) return `${prefix} ${mnemonic}`;
  const width = Number((kinds.find((kind) => /^[rm]\d/.test(kind)) ?? 'm32').replace(/\D/g, ''));
  const operands = kinds.map((kind) => {
    if (kind !== 'imm') return operand(random, kind, form);
    const unsigned = /^(p|shuf|cmp[sp][sd]$)/.test(mnemonic) && mnemonic !== 'push';
    return unsigned ? unsignedImmediate(random) : immediate(random, mnemonic, width);
  });
  if (/^(bt[src]?)$/.test(mnemonic) && kinds[0]?.startsWith('m') && kinds[1] !== 'imm') {
    return `and ${operands[1] ?? ''}, 63\n ${prefix} ${mnemonic} ${operands.join(', ')}`;
  }
  if (mnemonic === 'push' && kinds[0] === 'imm') return `push ${immediate(random, mnemonic, 32)}`;
  const shiftByCl = SHIFTS.test(mnemonic) && kinds.at(-1) === 'r8';
  if (shiftByCl && kinds.length > 1) operands[operands.length - 1] = 'cl';
  return `${prefix} ${mnemonic} ${operands.join(', ')}`.trim();
}
