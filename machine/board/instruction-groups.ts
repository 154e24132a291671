/**
 * Which mnemonics cost the same on every board: boards give one figure per group. Loads, stores,
 * locked forms and string iterations are groups as well (see hardware/cpu/timing.ts).
 */
import type { InstructionCost } from './board.ts';

const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

const withSuffixes = (stems: string, suffixes: readonly string[]): string[] =>
  stems.split(' ').flatMap((stem) => suffixes.map((suffix) => stem + suffix));

const REPEATED = withSuffixes('movs stos lods', ['b', 'w', 'd', 'q']).map((name) => `rep ${name}`);
const REPEATED_COMPARES = withSuffixes('cmps scas', ['b', 'w', 'd', 'q']).flatMap((name) => [
  `repe ${name}`,
  `repne ${name}`,
]);

const GROUPS = {
  nop: 'nop endbr64 prefetcht0 prefetcht1 prefetcht2 prefetchnta prefetchw rdsspq',
  load: 'load',
  vectorLoad: ['vector load'],
  store: 'store',
  forward: 'forward',
  move: 'mov movnti',
  extend: 'movzx movsx movsxd cbw cwde cdqe cwd cdq cqo lahf sahf clc stc cmc cld std',
  branch: ['jmp', 'jrcxz', 'jecxz', 'loop', 'loope', 'loopne', ...withSuffixes('j', CONDITIONS)],
  call: 'call ret',
  taken: 'taken',
  push: 'push pop leave pushfq popfq',
  conditional: withSuffixes('cmov set', CONDITIONS),
  shift: 'shl sal shr sar rol ror',
  doubleShift: 'shld shrd',
  rotateCarry: 'rcl rcr',
  multiply: 'mul imul',
  divide: 'div idiv',
  divide64: 'div64 idiv64',
  bitScan: 'bsf bsr tzcnt lzcnt',
  bitTest: 'bt bts btr btc',
  swap: 'bswap',
  exchange: 'xchg xadd',
  compareExchange: 'cmpxchg cmpxchg8b cmpxchg16b',
  lock: 'lock',
  string: withSuffixes('movs stos lods cmps scas', ['b', 'w', 'q']),
  repStart: [...REPEATED, ...REPEATED_COMPARES],
  repMove: ['rep move'],
  repStore: ['rep store'],
  repShort: ['rep short'],
  repElement: ['rep element'],
  vectorMove:
    'movaps movapd movdqa movups movupd movdqu lddqu movss movsd movlps movlpd movhps movhpd',
  vectorStream: 'movntdq movntps movntpd',
  vectorInteger:
    'paddb paddw paddd paddq psubb psubw psubd psubq paddsb paddsw paddusb paddusw psubsb psubsw ' +
    'psubusb psubusw pcmpeqb pcmpeqw pcmpeqd pcmpgtb pcmpgtw pcmpgtd pand pandn por pxor pmaxub ' +
    'pmaxsw pminub pminsw pavgb pavgw',
  vectorShuffle:
    'pshufd pshuflw pshufhw shufps shufpd punpcklbw punpcklwd punpckldq punpcklqdq punpckhbw ' +
    'punpckhwd punpckhdq punpckhqdq unpcklps unpcklpd unpckhps unpckhpd packsswb packssdw packuswb ' +
    'movhlps movlhps movddup movsldup movshdup psrldq pslldq',
  vectorShift: 'psllw pslld psllq psrlw psrld psrlq psraw psrad',
  vectorMultiply: 'pmullw pmulhw pmulhuw pmuludq pmaddwd psadbw',
  vectorToInteger: 'pmovmskb movmskps movmskpd pextrw',
  integerToVector: 'movd movq pinsrw',
  floatLogic: 'andps andpd andnps andnpd orps orpd xorps xorpd',
  floatAdd:
    'addss addsd addps addpd subss subsd subps subpd addsubps addsubpd haddps haddpd hsubps hsubpd ' +
    'minss minsd minps minpd maxss maxsd maxps maxpd cmpss cmpps cmppd cmpsd',
  floatMultiply: 'mulss mulsd mulps mulpd rcpss rcpps rsqrtss rsqrtps',
  floatDivide32: 'divss divps',
  floatDivide64: 'divsd divpd',
  floatSqrt32: 'sqrtss sqrtps',
  floatSqrt64: 'sqrtsd sqrtpd',
  floatCompare: 'comiss comisd ucomiss ucomisd',
  floatConvert: 'cvtss2sd cvtsd2ss cvtps2pd cvtpd2ps cvtdq2ps cvtdq2pd cvtps2dq cvttps2dq',
  floatConvertInteger: 'cvtsi2ss cvtsi2sd cvtss2si cvttss2si cvtsd2si cvttsd2si cvtpd2dq cvttpd2dq',
  x87Move: 'fld fst fstp fild fist fistp fisttp fxch fld1 fldz fldpi fabs fchs',
  x87Add:
    'fadd faddp fiadd fsub fsubp fisub fsubr fsubrp fisubr fmul fmulp fimul fcom fcomp fcompp ' +
    'fucom fucomp fucompp fcomi fcomip fucomi fucomip ftst frndint',
  x87Divide: 'fdiv fdivp fidiv fdivr fdivrp fidivr fsqrt',
  x87Remainder: 'fprem fprem1 fscale fxtract',
  x87Control: 'fldcw fnstcw fnstsw fnclex fninit',
  rdtsc: 'rdtsc',
  rdtscp: 'rdtscp',
  rdpid: 'rdpid',
  lsl: 'lsl',
  cpuid: 'cpuid',
  lfence: 'lfence',
  mfence: 'mfence',
  sfence: 'sfence',
  pause: 'pause',
  syscall: 'syscall',
  mxcsr: 'ldmxcsr stmxcsr',
  saveState: 'fxsave fxsave64 fxrstor fxrstor64 fnsave frstor fnstenv fldenv',
} as const satisfies Record<string, string | readonly string[]>;

/** A group of mnemonics with one cost. */
export type InstructionGroup = keyof typeof GROUPS;

/** One row for each mnemonic of each group. */
export function instructionTable(
  costs: Readonly<Record<InstructionGroup, InstructionCost>>,
): Readonly<Record<string, InstructionCost>> {
  const table: Record<string, InstructionCost> = {};
  for (const [group, members] of Object.entries(GROUPS)) {
    const names = typeof members === 'string' ? members.split(' ') : members;
    for (const name of names) table[name] = costs[group as InstructionGroup];
  }
  return table;
}
