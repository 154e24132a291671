/** Tells how a signal ended a program, in one line that a debugger's user would want. */
import type { FatalSignal } from '../linux/init/kernel.ts';
import type { SignalReport } from './machine-api.ts';
import type { UserSymbols } from './user-symbols.ts';

export function signalReport(signal: FatalSignal, symbols: UserSymbols): SignalReport {
  const { name, signal: number, address, rip, code, reason } = signal;
  const bytes = [...code].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const where = `at 0x${rip.toString(16)} (${symbols.describe(rip)})`;
  const fault = address === rip ? '' : `, address 0x${address.toString(16)}`;
  const shown = bytes === '' ? 'no readable code' : `bytes ${bytes}`;
  return { name, number, message: `${name}: ${reason} ${where}${fault}; ${shown}` };
}
