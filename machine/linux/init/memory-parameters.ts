/**
 * The words about memory policy: their table and their resolution, after Linux 6.1
 * Documentation/admin-guide/kernel-parameters.txt, mm/transhuge.rst and sysctl/vm.rst.
 */
import type { HugePagePolicy, MemoryPolicy } from '../mm/vm-state.ts';
import type { KernelWord } from './kernel-word.ts';

const modelled = (entry: Omit<KernelWord, 'support'>): KernelWord => ({
  ...entry,
  support: 'modelled',
});

export const MEMORY_POLICY_WORDS: readonly KernelWord[] = [
  modelled({
    word: 'transparent_hugepage',
    meaning: 'huge pages for anonymous memory',
    values: ['always', 'madvise', 'never'],
    default: 'madvise',
    effect: 'first touches of aligned 2 MiB get one zeroed huge page; madvise: where asked for',
  }),
  modelled({
    word: 'hugepages',
    meaning: 'reserved 2 MiB pages for MAP_HUGETLB',
    values: ['<number>'],
    default: '0',
    effect: 'so many huge pages are taken from memory at boot',
  }),
  modelled({
    word: 'hugepagesz',
    meaning: 'size of reserved huge pages',
    values: ['2M'],
    default: '2M',
    effect: 'none: 2M is the only size',
  }),
  modelled({
    word: 'la57',
    meaning: 'the CPU has five-level paging (a word of this model: a CPU flag in Linux)',
    values: [],
    default: 'off: no board has it',
    effect:
      'one more table for each process and one more level in walks that no paging-structure cache shortens; ' +
      'programs stay below 47 bits, as without a hint',
  }),
  modelled({
    word: 'no5lvl',
    meaning: 'four-level page tables even so',
    values: [],
    default: '',
    effect: 'undoes la57',
  }),
  modelled({
    word: 'init_on_alloc',
    meaning: 'zero pages and objects when allocated',
    values: ['0', '1'],
    default: '1',
    effect:
      '0: huge pages, copies on write, pipes and slab objects are not zeroed before they are filled',
  }),
  modelled({
    word: 'hardened_usercopy',
    meaning: 'check copies from and to user memory against kernel objects',
    values: ['on', 'off'],
    default: 'on',
    effect: 'what paths, strings and CPU masks cost on their way in and out',
  }),
  modelled({
    word: 'cgroup.memory',
    meaning: 'nokmem: kernel objects are not charged to memory control groups',
    values: ['nokmem'],
    default: 'kmem',
    effect: 'what allocating and freeing a task, a mapping, a file and the like cost',
  }),
  modelled({
    word: 'vm.overcommit_memory',
    meaning: 'overcommit: 0 refuse what can never fit, 1 always, 2 never',
    values: ['0', '1', '2'],
    default: '0',
    effect: 'which mmap, brk and fork answer ENOMEM',
  }),
  modelled({
    word: 'vm.overcommit_ratio',
    meaning: 'percent of memory that may be promised with vm.overcommit_memory=2',
    values: ['<percent>'],
    default: '50',
    effect: 'the limit of vm.overcommit_memory=2',
  }),
];

/** Words as given, by name. */
type Given = ReadonlyMap<string, { readonly value: string | undefined }>;

export function resolveMemoryPolicy(given: Given): MemoryPolicy {
  const value = (name: string): string | undefined => given.get(name)?.value;
  const huge = (value('transparent_hugepage') ?? 'madvise') as HugePagePolicy;
  return {
    overcommit: Number(value('vm.overcommit_memory') ?? '0'),
    overcommitRatio: wholeNumber(value('vm.overcommit_ratio'), 50),
    transparentHugePages: huge,
    kmemAccounting: !given.has('cgroup.memory'),
    hardening: {
      initOnAlloc: value('init_on_alloc') !== '0',
      usercopy: value('hardened_usercopy') !== 'off',
    },
    hugePages: wholeNumber(value('hugepages'), 0),
  };
}

function wholeNumber(text: string | undefined, fallback: number): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : fallback;
}

/** The resolved words, for the manifest. */
export function memoryWords(policy: MemoryPolicy): [string, string][] {
  return [
    ['transparent_hugepage', policy.transparentHugePages],
    ['cgroup.memory', policy.kmemAccounting ? 'kmem' : 'nokmem'],
    ['init_on_alloc', policy.hardening.initOnAlloc ? '1' : '0'],
    ['hardened_usercopy', policy.hardening.usercopy ? 'on' : 'off'],
    ['hugepages', String(policy.hugePages)],
    ['vm.overcommit_memory', String(policy.overcommit)],
    ['vm.overcommit_ratio', String(policy.overcommitRatio)],
  ];
}
