/**
 * The stack of a new program with its strings, after Linux 6.1 fs/exec.c (copy_strings,
 * setup_arg_pages). From the top: 8 zero bytes, the file name, the environment, the arguments.
 */
import { copyToUser } from '../arch/x86/lib/usercopy.ts';
import type { AddressLayout } from '../arch/x86/mm/mmap.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import { type MmStruct, Vm } from '../include/linux/mm_types.ts';
import type { Kernel } from '../init/kernel.ts';
import { masPreallocate, masStorePrealloc } from '../lib/maple_tree.ts';
import { pageFloor } from '../mm/align.ts';
import { vmEnoughMemory, vmStatAccount } from '../mm/overcommit.ts';
import { vmAreaAlloc } from '../mm/vma.ts';
import type { ExecRequest } from './exec-errors.ts';

const PAGE_BYTES = 4096;
/** The stack is extended by this at exec, before it is touched (stack_expand). */
const STACK_EXPAND_BYTES = 131072;
/** A quarter of RLIMIT_STACK is the most that arguments and environment may take. */
const STRINGS_BYTES_MAX = 2 * 2 ** 20;
const STACK_FLAGS =
  Vm.READ | Vm.WRITE | Vm.MAYREAD | Vm.MAYWRITE | Vm.MAYEXEC | Vm.GROWSDOWN | Vm.ACCOUNT;

/** Where the strings lie. */
export interface StackStrings {
  /** First byte of the lowest one: the first argument. */
  readonly pointer: number;
  readonly argv: readonly number[];
  readonly env: readonly number[];
  readonly filename: number;
}

/** Makes the stack mapping and copies the strings; null when they do not fit. */
export function setupArgPages(
  kernel: Kernel,
  mm: MmStruct,
  layout: AddressLayout,
  request: ExecRequest,
  executable: boolean,
): StackStrings | null {
  const { cpu } = kernel;
  const encoder = new TextEncoder();
  const encode = (text: string | Uint8Array): Uint8Array => {
    const bytes = typeof text === 'string' ? encoder.encode(text) : text;
    const ended = new Uint8Array(bytes.length + 1);
    ended.set(bytes);
    return ended;
  };
  const [filename, argv, env] = [
    encode(request.path),
    request.argv.map(encode),
    request.env.map(encode),
  ];
  const bytes = [filename, ...argv, ...env].reduce((sum, text) => sum + text.length, 8);
  if (bytes > STRINGS_BYTES_MAX) return null;
  const pointer = layout.stackEnd - bytes;
  if (!addStack(kernel, mm, layout.stackEnd, pageFloor(pointer) - STACK_EXPAND_BYTES, executable)) {
    return null;
  }
  const place = (texts: readonly Uint8Array[], from: number): number[] => {
    let at = from;
    return texts.map((text) => {
      cpu.run(F.copy_string_kernel, 84);
      copyToUser(kernel, at, text);
      at += text.length;
      return at - text.length;
    });
  };
  const total = (texts: readonly Uint8Array[]): number =>
    texts.reduce((sum, { length }) => sum + length, 0);
  const envStart = pointer + total(argv);
  const nameStart = envStart + total(env);
  const [name] = place([filename], nameStart);
  mm.argStart = pointer;
  mm.argEnd = envStart;
  mm.envStart = envStart;
  mm.envEnd = nameStart;
  mm.startStack = pointer;
  return { pointer, filename: name, env: place(env, envStart), argv: place(argv, pointer) };
}

function addStack(
  kernel: Kernel,
  mm: MmStruct,
  end: number,
  start: number,
  executable: boolean,
): boolean {
  const vma = vmAreaAlloc(kernel, {
    start,
    end,
    flags: STACK_FLAGS | (executable ? Vm.EXEC : 0),
    file: null,
    special: null,
    pgoff: start / PAGE_BYTES,
    name: '[stack]',
  });
  if (vma === null) return false;
  kernel.cpu.run(F.insert_vm_struct, 49);
  const nodes = masPreallocate(kernel, kernel.caches.mapleNode);
  if (nodes === null) return false;
  mm.vmas.insert(vma);
  masStorePrealloc(kernel, kernel.caches.mapleNode, mm.vmas, start, nodes);
  vmStatAccount(mm, vma.flags, (end - start) / PAGE_BYTES);
  vmEnoughMemory(kernel, mm, (end - start) / PAGE_BYTES);
  return true;
}
