/** Ours, not Linux's: the board's kernel costs in ticks, with the mitigations that are on. */
import { ticksFromCycles, type Ticks } from '../../../../core/units.ts';

/** The figures of a board's kernel section, in core cycles; structurally board.KernelCosts. */
export type KernelCycles = Readonly<Record<CostName, { readonly value: number }>>;

export type CostName =
  | 'cyclesPerInstruction'
  | 'syscall'
  | 'sysret'
  | 'swapgs'
  | 'exceptionEntry'
  | 'interruptEntry'
  | 'iret'
  | 'cr3Write'
  | 'cr3WriteNoFlush'
  | 'invlpg'
  | 'rdtsc'
  | 'retpoline'
  | 'srsoReturn'
  | 'copyPerLine'
  | 'zeroPerLine'
  | 'streamOverlap'
  | 'ipiSend'
  | 'ipiDelivery'
  | 'vmExit'
  | 'lockedInstruction'
  | 'userAccess'
  | 'interruptFlag'
  | 'vectorState'
  | 'haltWake'
  | 'hpetRead'
  | 'pmTimerRead';

export interface ReturnMitigations {
  readonly retpolines: boolean;
  readonly srso: boolean;
}

export class KernelTicks {
  /** One kernel instruction; an integer, so that base time is instructions times this, exactly. */
  readonly instruction: Ticks;
  readonly syscall: Ticks;
  readonly sysret: Ticks;
  readonly swapgs: Ticks;
  readonly exceptionEntry: Ticks;
  readonly interruptEntry: Ticks;
  readonly iret: Ticks;
  readonly cr3Write: Ticks;
  readonly cr3WriteNoFlush: Ticks;
  readonly invlpg: Ticks;
  readonly rdtsc: Ticks;
  readonly copyPerLine: Ticks;
  readonly zeroPerLine: Ticks;
  /** Misses of a copy or fill that overlap; not a time. */
  readonly streamOverlap: number;
  /** Writing the interrupt command register, a VM exit included. */
  readonly ipiSend: Ticks;
  /** From there to the interrupt's entry on the other CPU, a VM exit included. */
  readonly ipiDelivery: Ticks;
  readonly retpolines: boolean;
  readonly retpoline: Ticks;
  /** 0 when the SRSO return thunk is off. */
  readonly srsoReturn: Ticks;
  readonly lockedInstruction: Ticks;
  readonly userAccess: Ticks;
  readonly interruptFlag: Ticks;
  readonly vectorState: Ticks;
  /** From an interrupt at a halted CPU until its entry, beyond the delivery; 0 on bare metal. */
  readonly haltWake: Ticks;
  /** Reading the HPET's counter and the port of the ACPI PM timer, a VM exit included. */
  readonly hpetRead: Ticks;
  readonly pmTimerRead: Ticks;
  /** Leaving and entering the virtual machine; 0 on bare metal. */
  readonly vmExit: Ticks;

  constructor(costs: KernelCycles, mitigations: ReturnMitigations) {
    const ticks = (name: CostName): Ticks => ticksFromCycles(costs[name].value);
    this.instruction = Math.max(1, ticks('cyclesPerInstruction'));
    this.syscall = ticks('syscall');
    this.sysret = ticks('sysret');
    this.swapgs = ticks('swapgs');
    this.exceptionEntry = ticks('exceptionEntry');
    this.interruptEntry = ticks('interruptEntry');
    this.iret = ticks('iret');
    this.cr3Write = ticks('cr3Write');
    this.cr3WriteNoFlush = ticks('cr3WriteNoFlush');
    this.invlpg = ticks('invlpg');
    this.rdtsc = ticks('rdtsc');
    this.copyPerLine = ticks('copyPerLine');
    this.zeroPerLine = ticks('zeroPerLine');
    this.streamOverlap = Math.max(1, costs.streamOverlap.value);
    this.lockedInstruction = ticks('lockedInstruction');
    this.userAccess = ticks('userAccess');
    this.interruptFlag = ticks('interruptFlag');
    this.vectorState = ticks('vectorState');
    this.haltWake = ticks('haltWake');
    this.vmExit = ticks('vmExit');
    this.ipiSend = ticks('ipiSend') + this.vmExit;
    this.ipiDelivery = ticks('ipiDelivery') + this.vmExit;
    this.hpetRead = ticks('hpetRead') + this.vmExit;
    this.pmTimerRead = ticks('pmTimerRead') + this.vmExit;
    this.retpolines = mitigations.retpolines;
    this.retpoline = mitigations.retpolines ? ticks('retpoline') : 0;
    this.srsoReturn = mitigations.srso ? Math.max(1, ticks('srsoReturn')) : 0;
  }
}
