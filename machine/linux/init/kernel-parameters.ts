/**
 * The words that configure the kernel, after Linux 6.1 Documentation/admin-guide/kernel-parameters.txt,
 * lib/Kconfig and admin-guide/sysctl: command-line words, CONFIG_ options, sysctls. kernel-word.ts says
 * what the kinds mean.
 */

import { accepted, type KernelWord, unmodelled, word } from './kernel-word.ts';
import { MEMORY_POLICY_WORDS } from './memory-parameters.ts';
import { SCHED_WORDS } from './sched-parameters.ts';
import { TIME_WORDS } from './time-parameters.ts';

const ON_OFF = ['on', 'off'] as const;

const MITIGATIONS: readonly KernelWord[] = [
  word(
    'pti',
    'page table isolation against Meltdown',
    [...ON_OFF, 'auto'],
    'auto: on where the CPU has Meltdown',
    'two top page tables; every entry and exit writes CR3; kernel pages are not global',
  ),
  word('nopti', 'same as pti=off', [], '', 'see pti'),
  word(
    'nopcid',
    'do not use process-context identifiers',
    [],
    'PCIDs where the CPU has them',
    'every CR3 write drops the TLB',
  ),
  word(
    'mitigations',
    'all CPU mitigations at once',
    ['auto', 'auto,nosmt', 'off'],
    'auto',
    'off: pti, spectre_v2 and spec_rstack_overflow default to off',
  ),
  word(
    'spectre_v2',
    'branch target injection',
    [
      'on',
      'off',
      'auto',
      'retpoline',
      'retpoline,generic',
      'retpoline,amd',
      'retpoline,lfence',
      'eibrs',
      'eibrs,retpoline',
    ],
    'auto: retpoline or eibrs, as the CPU needs',
    'retpolines: every indirect call of the kernel costs more',
  ),
  word('nospectre_v2', 'same as spectre_v2=off', [], '', 'see spectre_v2'),
  word(
    'spec_rstack_overflow',
    'speculative return stack overflow of AMD Zen',
    ['off', 'microcode', 'safe-ret', 'ibpb', 'ibpb-vmexit'],
    'safe-ret where the CPU has SRSO',
    'safe-ret: every return of the kernel goes through a thunk',
  ),
  accepted('nospectre_v1', 'no spectre v1 barriers', [], 'the barriers cost nothing in the model'),
  accepted(
    'retbleed',
    'return instructions',
    ['off', 'auto', 'unret', 'ibpb'],
    'safe-ret covers it',
  ),
  accepted(
    'spec_store_bypass_disable',
    'speculative store bypass',
    ['on', 'off', 'auto', 'prctl'],
    'only processes that ask pay',
  ),
  accepted(
    'mds',
    'microarchitectural data sampling',
    ['off', 'full', 'full,nosmt'],
    'no board has it',
  ),
  accepted(
    'tsx_async_abort',
    'TSX asynchronous abort',
    ['off', 'full', 'full,nosmt'],
    'no board has it',
  ),
  accepted('l1tf', 'L1 terminal fault', ['off', 'flush', 'full'], 'only hypervisors pay'),
];

const MEMORY: readonly KernelWord[] = [
  ...MEMORY_POLICY_WORDS,
  word(
    'mem',
    'memory that the kernel uses',
    ['<bytes, K, M or G>'],
    'all of the board',
    'frames beyond are never handed out',
  ),
  word(
    'norandmaps',
    'same as kernel.randomize_va_space=0',
    [],
    '',
    'no address space randomisation',
  ),
  word(
    'kernel.randomize_va_space',
    'address space randomisation: 0 none, 1 without the heap, 2 all',
    ['0', '1', '2'],
    '2',
    'where stack, mappings, vDSO and heap lie; from the seed',
  ),
  accepted('nokaslr', 'kernel at its linked address', [], 'the kernel is never moved'),
  unmodelled('numa', 'NUMA'),
  unmodelled('numa_balancing', 'automatic NUMA balancing'),
  unmodelled('swapaccount', 'swap accounting'),
  unmodelled('init_on_free', 'zero pages and objects when freed'),
  unmodelled('slub_debug', 'slab debugging'),
  unmodelled('vm.swappiness', 'reclaim balance'),
];

const SECURITY: readonly KernelWord[] = [
  word(
    'seccomp',
    'a filter on the program, as a container runtime installs one (a word of this model)',
    ['on', 'off'],
    'off',
    'on: every system call of the program and its children passes a filter that allows it; ' +
      'programs may install their own with prctl and seccomp, whatever this says',
  ),
];

const CONSOLE: readonly KernelWord[] = [
  accepted('quiet', 'fewer messages', [], 'there is no log'),
  accepted('console', 'console device', ['<device>'], 'there is no log'),
  accepted('loglevel', 'messages shown', ['<number>'], 'there is no log'),
  accepted(
    'panic',
    'seconds before a reboot after a panic',
    ['<number>'],
    'the kernel does not panic',
  ),
  accepted('ro', 'root read-only', [], 'the root is read-only'),
  unmodelled('root', 'root device'),
  unmodelled('init', 'first program'),
];

/** Every word the kernel knows, by subject. */
export const KERNEL_WORDS: readonly KernelWord[] = [
  ...MITIGATIONS,
  ...MEMORY,
  ...TIME_WORDS,
  ...SCHED_WORDS,
  ...SECURITY,
  ...CONSOLE,
];
