/**
 * `__vdso_getcpu`, after Linux 6.1 arch/x86/entry/vdso/vgetcpu.c: the CPU number is read from the
 * limit of a segment that each CPU's GDT has, or from TSC_AUX with rdpid where the CPU has it.
 */
import type { Assembler } from '../../../../../hardware/cpu/assembler.ts';
import { dword, registers } from '../../../../../hardware/cpu/operands.ts';

/** Selector of the per-CPU segment: GDT_ENTRY_CPUNODE (15) for user mode. */
const CPUNODE_SELECTOR = 15 * 8 + 3;
/** The limit holds the CPU number in its low bits and the node above them. */
const CPU_MASK = 0xfff;
const CPU_BITS = 12;

const { rax, eax, edx, rdi, rsi } = registers;

/** `__vdso_getcpu(rdi = unsigned *cpu, rsi = unsigned *node)`; both may be null. */
export function emitGetcpu(asm: Assembler, { rdpid }: { readonly rdpid: boolean }): void {
  asm.function('__vdso_getcpu', () => {
    const [noCpu, done] = [asm.newLabel(), asm.newLabel()];
    asm.mov(eax, CPUNODE_SELECTOR);
    if (rdpid) asm.rdpid(rax);
    else asm.lsl(eax, eax);
    asm.test(rdi, rdi);
    asm.je(noCpu);
    asm.mov(edx, eax);
    asm.and(edx, CPU_MASK);
    asm.mov(dword(rdi), edx);
    asm.bind(noCpu);
    asm.test(rsi, rsi);
    asm.je(done);
    asm.shr(eax, CPU_BITS);
    asm.mov(dword(rsi), eax);
    asm.bind(done);
    asm.xor(eax, eax);
    asm.ret();
  });
}
