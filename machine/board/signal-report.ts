/** Tells how a signal ended a program, in one line that a debugger's user would want. */
import { decode } from '../hardware/cpu/decode.ts';
import type { FatalSignal } from '../linux/init/kernel.ts';
import type { SignalReport } from './machine-api.ts';
import type { UserSymbols } from './user-symbols.ts';

const SIGILL = 4;

/** How a program ends that would sleep for ever: as if somebody had lost patience with it. */
export const STUCK: SignalReport = {
  name: 'SIGKILL',
  number: 9,
  message: 'SIGKILL: every task sleeps and nothing will wake them, so the lab ended the run',
};

/** Names an instruction that the guest CPU does not have: ` 'vaddps'`. */
function instructionNamed(code: Uint8Array, address: bigint): string {
  const mnemonic = decode(code, address)?.mnemonic;
  return mnemonic === undefined || mnemonic === '(bad)' ? '' : ` '${mnemonic}'`;
}

export function signalReport(signal: FatalSignal, symbols: UserSymbols): SignalReport {
  const { name, signal: number, address, rip, code, reason } = signal;
  const bytes = [...code].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const where = `at 0x${rip.toString(16)} (${symbols.describe(rip)})`;
  const fault = address === rip ? '' : `, address 0x${address.toString(16)}`;
  const shown = bytes === '' ? 'no readable code' : `bytes ${bytes}`;
  const what = number === SIGILL ? `${reason}${instructionNamed(code, rip)}` : reason;
  return { name, number, message: `${name}: ${what} ${where}${fault}; ${shown}` };
}
