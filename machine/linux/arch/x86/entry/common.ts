/** do_syscall_64, after Linux 6.1 arch/x86/entry/common.c, and the dispatch through x64_sys_call. */
import { Cause } from '../../../../core/ledger/cause.ts';
import { Errno } from '../../../include/uapi/asm-generic/errno.ts';
import { type Kernel, warnOnce } from '../../../init/kernel.ts';
import type { PendingCall, Sleeping } from '../../../include/linux/sched.ts';
import {
  exitToUserModeLoop,
  hasExitWork,
  syscallEnterFromUserMode,
  syscallExitToUserMode,
} from '../../../kernel/entry/common.ts';
import { secureComputing } from '../../../kernel/seccomp.ts';
import { tracePoint } from '../../../trace/points.ts';
import { Point } from '../../../trace/points-specs.ts';
import { traceSyscall } from '../../../trace/syscalls.ts';
import { F } from '../model/generated/function-ids.ts';
import { Gpr, type Registers } from '../model/registers.ts';
import { entrySyscall64, sysret } from './entry_64.ts';
import type { SyscallArguments } from './syscall-arguments.ts';
import type { SyscallEntry } from './syscalls/syscall-table.ts';

/** What handling a call needs besides the kernel; built once per CPU. */
export interface SyscallGate {
  readonly registers: Registers;
  readonly args: SyscallArguments;
  readonly table: readonly (SyscallEntry | undefined)[];
}

/** The whole of one system call, from the gate to the way back, unless the call sleeps. */
export function syscall(kernel: Kernel, gate: SyscallGate): void {
  const { registers } = gate;
  entrySyscall64(kernel);
  const begin = kernel.cpu.entered;
  const number = registers.low(Gpr.RAX);
  const result = doSyscall64(kernel, gate, number);
  if (typeof result !== 'number' || hasExitWork(kernel)) {
    const { current } = kernel;
    current.call = { number, begin, arguments: registers.copyGeneral(), restored: false };
    current.work = finishSyscall(kernel, current.call, result);
    return;
  }
  traceExit(kernel, number, result);
  syscallExitToUserMode(kernel);
  sysret(kernel);
  traceSyscall(kernel, registers, number, begin, keepsRegisters(result) ? 0 : result);
  if (!keepsRegisters(result)) registers.set(Gpr.RAX, result);
}

/** Whether the result is KEEP_REGISTERS. */
const keepsRegisters = (result: number): boolean => Number.isNaN(result);

/** After sigreturn there is no call any more whose end could be traced. */
function traceExit(kernel: Kernel, number: number, result: number): void {
  if (!keepsRegisters(result)) tracePoint(kernel, Point.SYS_EXIT, number, result);
}

/** The rest of a call that sleeps, or after which the scheduler or a signal comes first. */
function* finishSyscall(
  kernel: Kernel,
  call: PendingCall,
  outcome: number | Sleeping<number>,
): Sleeping<undefined> {
  const result = typeof outcome === 'number' ? outcome : yield* outcome;
  if (keepsRegisters(result)) call.restored = true;
  else kernel.cpu.registers.set(Gpr.RAX, result);
  traceExit(kernel, call.number, result);
  syscallExitToUserMode(kernel);
  yield* exitToUserModeLoop(kernel);
  sysret(kernel);
  kernel.current.call = null;
  traceSyscall(
    kernel,
    call.arguments,
    call.number,
    call.begin,
    keepsRegisters(result) ? 0 : result,
  );
  return undefined;
}

function doSyscall64(kernel: Kernel, gate: SyscallGate, number: number): number | Sleeping<number> {
  const { cpu } = kernel;
  const entry = number < gate.table.length ? gate.table[number] : undefined;
  cpu.run(F.do_syscall_64, entry === undefined ? 28 : 31);
  // add_random_kstack_offset
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
  cpu.read(kernel.current.address);
  cpu.stack(192, 1);
  syscallEnterFromUserMode(kernel);
  const { seccomp } = kernel.current;
  if (seccomp !== null) {
    const verdict = secureComputing(kernel, seccomp, number);
    if (verdict !== null) return verdict;
  }
  tracePoint(kernel, Point.SYS_ENTER, number, gate.registers.low(Gpr.RDI));
  let result: number | Sleeping<number> = -Errno.ENOSYS;
  if (entry !== undefined) {
    cpu.run(F.x64_sys_call, entry.dispatch);
    if (entry.handler === undefined) warnUnimplemented(kernel, entry, number);
    else result = entry.handler(kernel, gate.args);
  } else {
    warnOnce(
      kernel,
      `syscall ${number}`,
      `system call ${number} does not exist in this kernel: returned -ENOSYS`,
    );
  }
  return result;
}

function warnUnimplemented(kernel: Kernel, entry: SyscallEntry, number: number): void {
  const name = `${entry.name} (${number})`;
  warnOnce(kernel, `syscall ${number}`, `system call ${name} is not modelled: returned -ENOSYS`);
}
