/**
 * The counters behind the clocks: what they count, how user mode may read them and what a reading
 * costs the kernel; after Linux 6.1 arch/x86/kernel/{tsc,hpet,kvmclock,pvclock}.c and
 * drivers/clocksource/acpi_pm.c. The instructions of all readings but the TSC's are estimates from the
 * source (no counted path goes there; within a third), next to device accesses of a hundred times as
 * much. Omits: wrapping (Linux wakes up before the 24 and 32 bits of acpi_pm and hpet have gone by; the
 * counters here are long enough not to), the watchdog, of which TSC_ADJUST frees all boards.
 */
import { Cause } from '../../../core/ledger/cause.ts';
import type { KernelCpu } from '../../arch/x86/model/kernel-cpu.ts';
import { readTsc, chargeReadTsc } from '../../arch/x86/kernel/tsc.ts';
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import type { ClocksourceName, Timekeeper } from '../../include/linux/timekeeper_internal.ts';
import { VdsoClockMode } from '../../include/vdso/datapage.ts';
import type { Kernel } from '../../init/kernel.ts';
import { type PvClock, pvclockRead } from './pvclock.ts';

interface Clocksource {
  readonly rating: number;
  /** Counts in a second; null for the TSC, whose frequency is the board's. */
  readonly frequencyHz: number | null;
  readonly vdsoMode: VdsoClockMode;
  /** What the kernel pays for one reading. */
  readonly charge: (kernel: Kernel) => void;
}

/** read_hpet: whoever finds nobody reading reads the register, with interrupts off. */
function chargeReadHpet({ cpu }: Kernel): void {
  cpu.run(F.read_hpet, 32);
  cpu.charge(Cause.DEVICE_WAIT, cpu.ticks.hpetRead);
}

/** acpi_pm_read: one inl of the power management timer's port. */
function chargeReadPmTimer({ cpu }: Kernel): void {
  cpu.run(F.acpi_pm_read, 6);
  cpu.charge(Cause.DEVICE_WAIT, cpu.ticks.pmTimerRead);
}

/** kvm_clock_get_cycles: the TSC, scaled by what the hypervisor has written. */
function chargeReadKvmClock({ cpu }: Kernel): void {
  cpu.run(F.kvm_clock_get_cycles, 8);
  cpu.run(F.pvclock_clocksource_read, 38);
  cpu.charge(Cause.TRANSITION, cpu.ticks.rdtsc);
}

const SOURCES: Readonly<Record<ClocksourceName, Clocksource>> = {
  tsc: {
    rating: 300,
    frequencyHz: null,
    vdsoMode: VdsoClockMode.TSC,
    charge: chargeReadTsc,
  },
  'kvm-clock': {
    // 299 beside a TSC that can be trusted, so that this is taken: see clocksourceRating.
    rating: 400,
    frequencyHz: 1_000_000_000,
    vdsoMode: VdsoClockMode.PVCLOCK,
    charge: chargeReadKvmClock,
  },
  hpet: {
    rating: 250,
    frequencyHz: 14_318_180,
    vdsoMode: VdsoClockMode.NONE,
    charge: chargeReadHpet,
  },
  acpi_pm: {
    rating: 200,
    frequencyHz: 3_579_545,
    vdsoMode: VdsoClockMode.NONE,
    charge: chargeReadPmTimer,
  },
};

const KVM_CLOCK_BESIDE_TSC = 299;

/** The rating that decides between the clocksources of a machine. */
export function clocksourceRating(name: ClocksourceName, tscStable: boolean): number {
  return name === 'kvm-clock' && tscStable ? KVM_CLOCK_BESIDE_TSC : SOURCES[name].rating;
}

/** Counts in a second. */
export function clocksourceHz(name: ClocksourceName, tscHz: number): number {
  return SOURCES[name].frequencyHz ?? tscHz;
}

export function vdsoClockMode(name: ClocksourceName): VdsoClockMode {
  return SOURCES[name].vdsoMode;
}

/** Charges one reading of the clocksource to the function that runs. */
export function chargeReadClocksource(kernel: Kernel): void {
  SOURCES[kernel.timekeeper.clocksource].charge(kernel);
}

/** What reads a counter without a kernel: at boot, the kernel is not whole yet. */
export interface CounterReader {
  readonly cpu: KernelCpu;
  readonly coreMHz: number;
  readonly timekeeper: Pick<Timekeeper, 'clocksource' | 'frequencyHz'>;
  readonly pvclock: PvClock | null;
}

const TICKS_PER_CYCLE = 64n;

/** The counter of the clocksource now. Untimed; callers charge. */
export function readClocksource(reader: CounterReader): bigint {
  const { clocksource, frequencyHz } = reader.timekeeper;
  switch (clocksource) {
    case 'tsc':
      return readTsc(reader);
    case 'kvm-clock':
      return reader.pvclock === null ? 0n : pvclockRead(reader.pvclock, readTsc(reader));
    default: {
      const ticksHz = BigInt(Math.round(reader.coreMHz * 1e6)) * TICKS_PER_CYCLE;
      return (BigInt(reader.cpu.now) * BigInt(frequencyHz)) / ticksHz;
    }
  }
}
