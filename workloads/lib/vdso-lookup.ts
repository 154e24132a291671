/**
 * Finds a function of the vDSO from the program's own start-up data, in guest code: auxv, program
 * headers, dynamic section, symbol table and versions, in the way of musl's `__vdsosym`. Whatever is
 * missing means "no vDSO": callers must have a system call to fall back on.
 */
import {
  DynamicTag,
  EntryBytes,
  HeaderField,
  ProgramField,
  SegmentType,
  SymbolBinding,
  SymbolField,
  SymbolType,
} from '../../machine/core/elf/format.ts';
import { address, byte, dword, qword, registers, word } from './assembly.ts';
import type { Label, Register } from './assembly.ts';
import type { Guest } from './guest.ts';

/** Auxiliary vector entries: two 64-bit words. */
const AT_NULL = 0;
const AT_SYSINFO_EHDR = 33;
const VERSION = 'LINUX_2.6';

/** Fields of a version definition (Elf64_Verdef) and of its name entry. */
const Verdef = { FLAGS: 2, INDEX: 4, AUX: 12, NEXT: 16 } as const;
const VERSION_FLAG_BASE = 1;
const VERSION_INDEX_MASK = 0x7fff;
const BAD_ADDRESS = -1;

const TYPES_WANTED = (1 << SymbolType.NOTYPE) | (1 << SymbolType.FUNC);
const BINDINGS_WANTED =
  (1 << SymbolBinding.GLOBAL) | (1 << SymbolBinding.WEAK) | (1 << SymbolBinding.GNU_UNIQUE);

const { rax, rcx, rdx, rbx, rbp, rsi, rdi, r12, r13, r14, r15 } = registers;
const { eax, ecx, edx, ebx, edi, al, r9d, r12d, r14d } = registers;

const SAVED: readonly Register[] = [rbx, rbp, r12, r13, r14, r15];

/** Emits a call that leaves the address of vDSO function `name` in rax, or 0 when there is none. */
export function findVdsoFunction(guest: Guest, name: string): void {
  guest.load(rdi, guest.constant(name).label);
  guest.asm.call(lookupRoutine(guest));
}

/** The tables that the search needs; each is an address in a variable, 0 until found. */
interface Tables {
  readonly image: Label;
  readonly base: Label;
  readonly strings: Label;
  readonly symbols: Label;
  readonly hash: Label;
  readonly versym: Label;
  readonly verdef: Label;
}

/** `find_vdso_function(rdi = name)`: rax = address or 0. */
function lookupRoutine(guest: Guest): Label {
  const { asm } = guest;
  return guest.routine('find_vdso_function', () => {
    const variable = (field: string): Label => guest.variable(`vdso_${field}`, 8);
    const tables: Tables = {
      image: variable('image'),
      base: variable('base'),
      strings: variable('strings'),
      symbols: variable('symbols'),
      hash: variable('hash'),
      versym: variable('versym'),
      verdef: variable('verdef'),
    };
    const none = asm.newLabel();
    const leave = asm.newLabel();
    for (const register of SAVED) asm.push(register);
    asm.mov(r15, rdi);
    emitFindImage(guest, none);
    asm.mov(qword(tables.image), rax);
    emitFindDynamic(guest, tables, none);
    emitReadDynamic(guest, tables, none);
    emitSearch(guest, tables, none);
    asm.bind(leave);
    for (const register of SAVED.toReversed()) asm.pop(register);
    asm.ret();
    asm.bind(none);
    asm.xor(eax, eax);
    asm.jmp(leave);
  });
}

/** rax = AT_SYSINFO_EHDR, searched behind argv and the environment. */
function emitFindImage({ asm, initialStack }: Guest, none: Label): void {
  asm.mov(rsi, qword(initialStack));
  asm.mov(rcx, qword(rsi));
  // argc, argc pointers, NULL, then the environment.
  asm.lea(rsi, address({ base: rsi, index: rcx, scale: 8, offset: 16 }));
  const environment = asm.here();
  asm.mov(rax, qword(rsi));
  asm.add(rsi, 8);
  asm.test(rax, rax);
  asm.jne(environment);
  const [found, next] = [asm.newLabel(), asm.newLabel()];
  asm.bind(next);
  asm.mov(rcx, qword(rsi));
  asm.mov(rax, qword(rsi, 8));
  asm.add(rsi, 16);
  asm.cmp(rcx, AT_SYSINFO_EHDR);
  asm.je(found);
  asm.cmp(rcx, AT_NULL);
  asm.jne(next);
  asm.jmp(none);
  asm.bind(found);
  asm.test(rax, rax);
  asm.je(none);
}

/** r12 = dynamic section, `base` = what to add to the image's own addresses. */
function emitFindDynamic({ asm }: Guest, tables: Tables, none: Label): void {
  const [loop, notLoad, next, done] = Array.from({ length: 4 }, () => asm.newLabel());
  asm.movzx(ecx, word(rax, HeaderField.PHNUM));
  asm.movzx(edx, word(rax, HeaderField.PHENTSIZE));
  asm.mov(rsi, qword(rax, HeaderField.PHOFF));
  asm.add(rsi, rax);
  asm.xor(r12d, r12d);
  asm.mov(r13, BAD_ADDRESS);
  asm.bind(loop);
  asm.sub(ecx, 1);
  asm.js(done);
  asm.mov(rbx, qword(rsi, ProgramField.OFFSET));
  asm.add(rbx, rax);
  asm.cmp(dword(rsi, ProgramField.TYPE), SegmentType.LOAD);
  asm.jne(notLoad);
  asm.mov(r13, rbx);
  asm.sub(r13, qword(rsi, ProgramField.VADDR));
  asm.jmp(next);
  asm.bind(notLoad);
  asm.cmp(dword(rsi, ProgramField.TYPE), SegmentType.DYNAMIC);
  asm.cmove(r12, rbx);
  asm.bind(next);
  asm.add(rsi, rdx);
  asm.jmp(loop);
  asm.bind(done);
  asm.test(r12, r12);
  asm.je(none);
  asm.cmp(r13, BAD_ADDRESS);
  asm.je(none);
  asm.mov(qword(tables.base), r13);
}

/** Fills in the tables from the dynamic section at r12, whose entries are relative to r13. */
function emitReadDynamic({ asm }: Guest, tables: Tables, none: Label): void {
  const wanted: readonly (readonly [DynamicTag, Label])[] = [
    [DynamicTag.STRTAB, tables.strings],
    [DynamicTag.SYMTAB, tables.symbols],
    [DynamicTag.HASH, tables.hash],
    [DynamicTag.VERSYM, tables.versym],
    [DynamicTag.VERDEF, tables.verdef],
  ];
  const [next, done] = [asm.newLabel(), asm.newLabel()];
  asm.bind(next);
  asm.mov(rax, qword(r12));
  asm.mov(rdx, qword(r12, 8));
  asm.add(r12, EntryBytes.DYNAMIC);
  asm.test(rax, rax);
  asm.je(done);
  asm.add(rdx, r13);
  for (const [tag, table] of wanted) {
    const other = asm.newLabel();
    asm.cmp(rax, tag);
    asm.jne(other);
    asm.mov(qword(table), rdx);
    asm.jmp(next);
    asm.bind(other);
  }
  asm.jmp(next);
  asm.bind(done);
  for (const table of [tables.strings, tables.symbols, tables.hash]) {
    asm.cmp(qword(table), 0);
    asm.je(none);
  }
}

/** Jumps to `next` unless bit (r9d) of `mask` is set. */
function emitRequireBit({ asm }: Guest, mask: number, next: Label): void {
  asm.mov(eax, mask);
  asm.bt(eax, r9d);
  asm.jae(next);
}

/** rax = address of the symbol whose name is at r15. r14 counts symbols, r12 points at one. */
function emitSearch(guest: Guest, tables: Tables, none: Label): void {
  const { asm } = guest;
  const [loop, next, found] = [asm.newLabel(), asm.newLabel(), asm.newLabel()];
  const equal = stringsEqual(guest);
  const versionMatches = checkVersion(guest, tables);
  asm.mov(rax, qword(tables.hash));
  asm.mov(ebx, dword(rax, 4));
  asm.mov(r12, qword(tables.symbols));
  asm.xor(r14d, r14d);
  asm.bind(loop);
  asm.cmp(r14, rbx);
  asm.jae(none);
  asm.movzx(r9d, byte(r12, SymbolField.INFO));
  asm.and(r9d, 15);
  emitRequireBit(guest, TYPES_WANTED, next);
  asm.movzx(r9d, byte(r12, SymbolField.INFO));
  asm.shr(r9d, 4);
  emitRequireBit(guest, BINDINGS_WANTED, next);
  asm.cmp(word(r12, SymbolField.SHNDX), 0);
  asm.je(next);
  asm.mov(edx, dword(r12, SymbolField.NAME));
  asm.mov(rsi, qword(tables.strings));
  asm.add(rsi, rdx);
  asm.mov(rdi, r15);
  asm.call(equal);
  asm.test(eax, eax);
  asm.je(next);
  // Symbols of an image without versions have none to check.
  asm.mov(rax, qword(tables.versym));
  asm.test(rax, rax);
  asm.je(found);
  asm.cmp(qword(tables.verdef), 0);
  asm.je(found);
  asm.movzx(edi, word({ base: rax, index: r14, scale: 2 }));
  asm.call(versionMatches);
  asm.test(eax, eax);
  asm.jne(found);
  asm.bind(next);
  asm.add(r12, EntryBytes.SYMBOL);
  asm.add(r14, 1);
  asm.jmp(loop);
  asm.bind(found);
  asm.mov(rax, qword(r12, SymbolField.VALUE));
  asm.add(rax, qword(tables.base));
}

/** `strings_equal(rdi, rsi)`: eax = 1 when the two NUL-terminated strings are the same. */
function stringsEqual(guest: Guest): Label {
  const { asm } = guest;
  return guest.routine('strings_equal', () => {
    const [different, loop] = [asm.newLabel(), asm.newLabel()];
    asm.bind(loop);
    asm.movzx(eax, byte(rdi));
    asm.cmp(al, byte(rsi));
    asm.jne(different);
    asm.add(rdi, 1);
    asm.add(rsi, 1);
    asm.test(eax, eax);
    asm.jne(loop);
    asm.mov(eax, 1);
    asm.ret();
    asm.bind(different);
    asm.xor(eax, eax);
    asm.ret();
  });
}

/** `version_matches(edi = index in versym)`: eax = 1 when that version is VERSION. */
function checkVersion(guest: Guest, tables: Tables): Label {
  const { asm } = guest;
  const equal = stringsEqual(guest);
  return guest.routine('version_matches', () => {
    const [loop, next] = [asm.newLabel(), asm.newLabel()];
    asm.and(edi, VERSION_INDEX_MASK);
    asm.mov(rdx, qword(tables.verdef));
    asm.bind(loop);
    asm.test(byte(rdx, Verdef.FLAGS), VERSION_FLAG_BASE);
    asm.jne(next);
    asm.movzx(ecx, word(rdx, Verdef.INDEX));
    asm.and(ecx, VERSION_INDEX_MASK);
    asm.cmp(ecx, edi);
    asm.jne(next);
    asm.mov(ecx, dword(rdx, Verdef.AUX));
    asm.mov(ecx, dword({ base: rdx, index: rcx }));
    asm.mov(rdi, qword(tables.strings));
    asm.add(rdi, rcx);
    guest.load(rsi, guest.constant(VERSION).label);
    asm.jmp(equal);
    asm.bind(next);
    asm.mov(ecx, dword(rdx, Verdef.NEXT));
    asm.add(rdx, rcx);
    asm.test(ecx, ecx);
    asm.jne(loop);
    asm.xor(eax, eax);
    asm.ret();
  });
}
