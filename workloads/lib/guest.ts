/**
 * What every workload's code needs: start and exit, system calls, phases, loops, output. Emits plain
 * x86-64 that runs on any Linux. Calls follow the System V ABI: arguments in rdi, rsi, rdx, r10 (rcx
 * for functions), r8, r9; rbx, rbp and r12 to r15 survive calls.
 */
import type { Assembler, Label, Memory, Register } from '../../machine/hardware/cpu/assembler.ts';
import { address, byte, dword, qword, registers } from '../../machine/hardware/cpu/assembler.ts';
import { NR } from '../../machine/linux/include/uapi/asm/unistd-64.ts';
import type { SyscallName } from '../../machine/linux/include/uapi/asm/unistd-64.ts';

const { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10 } = registers;
const { eax, ecx, edx, edi, ebp, dl } = registers;

/** `nop dword [rax+rax+0x4c430000+n]`, whose last four bytes the machine reads as marker n. */
const MARKER_BASE = 0x4c430000;
const MARKER_MAX = 0xffff;

const STDOUT = 1;
const SYSCALL_ARGUMENTS = [rdi, rsi, rdx, r10, r8, r9] as const;
/** Digits of 2^64 - 1. */
const DECIMAL_DIGITS_MAX = 20;

/** A system call's argument: a number, a register, the contents of memory, or a label's address. */
export type Argument = number | bigint | Register | Memory | Label;

export class Guest {
  /** Where the kernel left argc at the start: argv, the environment and auxv follow it. */
  readonly initialStack: Label;
  private readonly deferred: (() => void)[] = [];
  private readonly routines = new Map<string, Label>();

  constructor(
    readonly asm: Assembler,
    private readonly phaseCount: number,
  ) {
    this.initialStack = this.variable('initial_stack', 8);
  }

  /** Emits `_start`, `main` with `body` in it, and whatever they need. Returns the entry point. */
  emitProgram(body: () => void): Label {
    const { asm } = this;
    const main = asm.newLabel('main');
    const entry = asm.function('_start', () => {
      asm.mov(qword(this.initialStack), rsp);
      asm.xor(ebp, ebp);
      asm.and(rsp, -16);
      asm.call(main);
      asm.mov(edi, eax);
      this.syscall('exit_group');
      asm.ud2();
    });
    asm.function(main, () => {
      for (const register of [
        rbp,
        rbx,
        registers.r12,
        registers.r13,
        registers.r14,
        registers.r15,
      ]) {
        asm.push(register);
      }
      asm.sub(rsp, 8);
      body();
      asm.add(rsp, 8);
      for (const name of ['r15', 'r14', 'r13', 'r12', 'rbx', 'rbp'] as const) {
        asm.pop(registers[name]);
      }
      asm.ret();
    });
    // A routine may ask for another while it is emitted.
    for (let i = 0; i < this.deferred.length; i++) this.deferred[i]();
    return entry;
  }

  /** A zeroed variable of `bytes` bytes in .bss. */
  variable(name: string, bytes: number): Label {
    this.asm.section('.bss');
    const label = this.asm.object(name, 16, () => {
      this.asm.zero(bytes);
    });
    this.asm.section('.text');
    return label;
  }

  /** Constant text, ended by a NUL; returns its label and its length without the NUL. */
  constant(text: string): { readonly label: Label; readonly bytes: number } {
    this.asm.section('.rodata');
    const label = this.asm.here(`text ${JSON.stringify(text)}`);
    const bytes = this.asm.text(text);
    this.asm.zero(1);
    this.asm.section('.text');
    return { label, bytes };
  }

  /** The routine `name`, emitted once, after `main`, however often it is asked for. */
  routine(name: string, body: () => void): Label {
    let label = this.routines.get(name);
    if (label === undefined) {
      const made = this.asm.newLabel(name);
      label = made;
      this.routines.set(name, made);
      this.deferred.push(() => this.asm.function(made, body));
    }
    return label;
  }

  /**
   * Makes a system call; the result is in rax, rcx and r11 are lost. Arguments are moved in order,
   * so none may come from a register that an earlier one went to.
   */
  syscall(name: SyscallName, ...args: readonly Argument[]): void {
    const { asm } = this;
    for (const [i, argument] of args.entries()) {
      this.checkArgument(name, argument, i);
      this.load(SYSCALL_ARGUMENTS[i], argument);
    }
    if (NR[name] === 0) asm.xor(eax, eax);
    else asm.mov(eax, NR[name]);
    asm.syscall();
  }

  /** Puts a value into a 64-bit register in the shortest way. */
  load(target: Register, value: Argument): void {
    const { asm } = this;
    if (typeof value === 'object') {
      if (value.kind === 'label') asm.lea(target, address(value));
      else if (value !== target) asm.mov(target, value);
      return;
    }
    const narrow = NARROW.get(target);
    if (narrow !== undefined && value >= 0 && value <= 0xffffffff) {
      if (BigInt(value) === 0n) asm.xor(narrow, narrow);
      else asm.mov(narrow, value);
    } else {
      asm.mov(target, value);
    }
  }

  exit(status: number): void {
    this.syscall('exit_group', status);
  }

  /** Emits phase `index` of the workload: what `body` emits is measured, and nothing else. */
  phase(index: number, body: () => void): void {
    if (index >= this.phaseCount) throw new RangeError(`the workload declares no phase ${index}`);
    this.marker(2 * index + 1);
    body();
    this.marker(2 * index + 2);
  }

  /** Emits `body` to run `count` times, counting down in `counter`, which the body must keep. */
  repeat(counter: Register, count: number, body: () => void): void {
    if (count === 0) return;
    const { asm } = this;
    this.load(counter, count);
    asm.align(16);
    const loop = asm.here();
    body();
    asm.sub(counter, 1);
    asm.jne(loop);
  }

  /** Writes constant text to standard output. Loses the registers that a call loses. */
  print(text: string): void {
    const { label, bytes } = this.constant(text);
    this.load(rsi, label);
    this.load(rdx, bytes);
    this.asm.call(this.writeAll());
  }

  /** Writes a 64-bit register to standard output as an unsigned decimal number. */
  printDecimal(value: Register): void {
    this.load(rdi, value);
    this.asm.call(this.writeDecimal());
  }

  private marker(number: number): void {
    if (number > MARKER_MAX) throw new RangeError(`marker ${number} is above ${MARKER_MAX}`);
    this.asm.nop(dword({ base: rax, index: rax, offset: MARKER_BASE + number }));
  }

  private checkArgument(name: SyscallName, argument: Argument, i: number): void {
    const used =
      typeof argument !== 'object' || argument.kind === 'label'
        ? []
        : argument.kind === 'register'
          ? [argument]
          : [argument.base, argument.index];
    const lost = SYSCALL_ARGUMENTS.slice(0, i).find((target) => used.includes(target));
    if (lost === undefined) return;
    throw new RangeError(`argument ${i} of ${name} needs ${lost.name}, which is overwritten`);
  }

  /** `write_all(rsi = text, rdx = bytes)`: writes to standard output until done or an error. */
  private writeAll(): Label {
    const { asm } = this;
    return this.routine('write_all', () => {
      const [more, done] = [asm.newLabel(), asm.newLabel()];
      asm.bind(more);
      asm.test(rdx, rdx);
      asm.je(done);
      this.syscall('write', STDOUT);
      asm.test(rax, rax);
      asm.jle(done);
      asm.add(rsi, rax);
      asm.sub(rdx, rax);
      asm.jmp(more);
      asm.bind(done);
      asm.ret();
    });
  }

  /** `write_decimal(rdi = value)`: digits are made from the last one on, in the red zone's place. */
  private writeDecimal(): Label {
    const { asm } = this;
    const writeAll = this.writeAll();
    return this.routine('write_decimal', () => {
      asm.sub(rsp, DECIMAL_DIGITS_MAX + 4);
      asm.lea(rsi, address(rsp, DECIMAL_DIGITS_MAX));
      asm.mov(rax, rdi);
      asm.mov(ecx, 10);
      const digit = asm.here();
      asm.xor(edx, edx);
      asm.div(rcx);
      asm.add(edx, '0'.charCodeAt(0));
      asm.sub(rsi, 1);
      asm.mov(byte(rsi), dl);
      asm.test(rax, rax);
      asm.jne(digit);
      asm.lea(rdx, address(rsp, DECIMAL_DIGITS_MAX));
      asm.sub(rdx, rsi);
      asm.call(writeAll);
      asm.add(rsp, DECIMAL_DIGITS_MAX + 4);
      asm.ret();
    });
  }
}

/** The 32-bit half of each 64-bit register; writing it clears the rest. */
const NARROW: ReadonlyMap<Register, Register> = new Map(
  Object.values(registers)
    .filter(({ bytes }) => bytes === 8)
    .map((wide) => [wide, narrowOf(wide.name)]),
);

function narrowOf(name: string): Register {
  const narrowName = /\d/.test(name) ? `${name}d` : `e${name.slice(1)}`;
  return registers[narrowName as keyof typeof registers];
}
