/** /proc/cpuinfo, after Linux 6.1 arch/x86/kernel/cpu/proc.c: the processor that cpuid shows. */
import type { Kernel } from '../../init/kernel.ts';

/** Of leaf 1 (edx, ecx) and leaf 0x80000001, in Linux's order. */
const FLAGS =
  'fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ' +
  'syscall nx rdtscp lm nopl cpuid pni cx16 hypervisor lahf_lm';

export function cpuinfo(kernel: Kernel): string {
  const { platform, coreMHz } = kernel;
  const { length } = platform.cpus;
  return platform.cpus
    .map((_, number) =>
      [
        `processor\t: ${number}`,
        'vendor_id\t: AuthenticAMD',
        'cpu family\t: 15',
        'model\t\t: 107',
        'model name\t: cyclelab guest',
        'stepping\t: 1',
        `cpu MHz\t\t: ${coreMHz.toFixed(3)}`,
        'cache size\t: 1024 KB',
        `physical id\t: 0`,
        `siblings\t: ${length}`,
        `core id\t\t: ${number}`,
        `cpu cores\t: ${length}`,
        'fpu\t\t: yes',
        'fpu_exception\t: yes',
        'cpuid level\t: 13',
        'wp\t\t: yes',
        `flags\t\t: ${FLAGS}`,
        'clflush size\t: 64',
        'cache_alignment\t: 64',
        'address sizes\t: 40 bits physical, 48 bits virtual',
        '',
        '',
      ].join('\n'),
    )
    .join('');
}
