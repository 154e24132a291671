/**
 * The floating-point state of a signal frame, after Linux 6.1 arch/x86/kernel/fpu/signal.c on a CPU
 * without XSAVE: an FXSAVE image whose software bytes say how large it is.
 */
import { Cpu } from '../../../../../hardware/layout.ts';
import { readUserBytes, writeUserBytes } from '../../lib/usercopy.ts';
import type { Kernel } from '../../../../init/kernel.ts';
import { F } from '../../model/generated/function-ids.ts';

/** Bytes of an FXSAVE image. */
export const FXSAVE_BYTES = 512;
/** FP_XSTATE_MAGIC1 */
const MAGIC = 0x46505853;
/** XFEATURE_MASK_FPSSE */
const FEATURES = 3;
const MXCSR_MASK = 0x0000ffff;
const REGISTERS = 8;
const XMM_BYTES = 256;

/** Offsets in the image. */
const enum Fx {
  CONTROL = 0,
  STATUS = 2,
  TAG = 4,
  MXCSR = 24,
  MXCSR_MASK = 28,
  ST = 32,
  XMM = 160,
  SOFTWARE = 464,
}

/** x87 registers of a CPU block by their physical number; an image has them from the stack's top. */
const physical = (status: number, index: number): number => (((status >>> 11) & 7) + index) & 7;

/** Writes the live state as an image. */
export function saveImage(block: DataView, image: DataView): void {
  const status = block.getUint32(Cpu.X87_STATUS, true);
  image.setUint16(Fx.CONTROL, block.getUint32(Cpu.X87_CONTROL, true), true);
  image.setUint16(Fx.STATUS, status, true);
  image.setUint8(Fx.TAG, block.getUint32(Cpu.X87_TAG, true));
  image.setUint32(Fx.MXCSR, block.getUint32(Cpu.MXCSR, true), true);
  image.setUint32(Fx.MXCSR_MASK, MXCSR_MASK, true);
  for (let i = 0; i < REGISTERS; i++) {
    const from = Cpu.X87_REGISTERS + physical(status, i) * 16;
    const to = Fx.ST + i * 16;
    image.setBigUint64(to, block.getBigUint64(from, true), true);
    image.setUint16(to + 8, block.getUint32(from + 8, true), true);
  }
  for (let at = 0; at < XMM_BYTES; at += 8) {
    image.setBigUint64(Fx.XMM + at, block.getBigUint64(Cpu.XMM + at, true), true);
  }
}

/** Loads an image. Returns false, and changes nothing, when its MXCSR has reserved bits. */
export function loadImage(image: DataView, block: DataView): boolean {
  const mxcsr = image.getUint32(Fx.MXCSR, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  const status = image.getUint16(Fx.STATUS, true);
  block.setUint32(Cpu.X87_CONTROL, image.getUint16(Fx.CONTROL, true), true);
  block.setUint32(Cpu.X87_STATUS, status, true);
  block.setUint32(Cpu.X87_TAG, image.getUint8(Fx.TAG), true);
  block.setUint32(Cpu.MXCSR, mxcsr, true);
  for (let i = 0; i < REGISTERS; i++) {
    const to = Cpu.X87_REGISTERS + physical(status, i) * 16;
    const from = Fx.ST + i * 16;
    block.setBigUint64(to, image.getBigUint64(from, true), true);
    block.setUint32(to + 8, image.getUint16(from + 8, true), true);
    block.setUint32(to + 12, 0, true);
  }
  for (let at = 0; at < XMM_BYTES; at += 8) {
    block.setBigUint64(Cpu.XMM + at, image.getBigUint64(Fx.XMM + at, true), true);
  }
  return true;
}

const IMAGE = new DataView(new ArrayBuffer(FXSAVE_BYTES));
const IMAGE_BYTES = new Uint8Array(IMAGE.buffer);

/** copy_fpstate_to_sigframe. Returns false on a fault. */
export function copyFpstateToSigframe(kernel: Kernel, address: number): boolean {
  const { cpu } = kernel;
  cpu.run(F.copy_fpstate_to_sigframe, 111);
  cpu.read(kernel.current.address + 5120);
  cpu.run(F.clear_user_erms, 5);
  cpu.run(F.xfd_validate_state, 6);
  cpu.run(F.__local_bh_enable_ip, 18);
  cpu.run(F.copy_user_enhanced_fast_string, 3);
  cpu.run(F.copy_user_short_string, 45);
  cpu.runCalls(F.__put_user_nocheck_4, 10, 2);
  cpu.run(F.__get_user_nocheck_4, 6);
  IMAGE_BYTES.fill(0);
  saveImage(cpu.registers.view, IMAGE);
  IMAGE.setUint32(Fx.SOFTWARE, MAGIC, true);
  IMAGE.setUint32(Fx.SOFTWARE + 4, FXSAVE_BYTES + 4, true);
  IMAGE.setBigUint64(Fx.SOFTWARE + 8, BigInt(FEATURES), true);
  IMAGE.setUint32(Fx.SOFTWARE + 16, FXSAVE_BYTES, true);
  return writeUserBytes(kernel, address, IMAGE_BYTES) >= 0;
}

/** fpu__clear_user_states: a handler starts with fresh state. */
export function clearUserStates({ cpu, current }: Kernel): void {
  cpu.run(F.fpu__clear_user_states, 27);
  cpu.write(current.address + 5120);
  cpu.run(F.xfd_validate_state, 6);
  cpu.run(F.fpregs_mark_activate, 12);
  cpu.run(F.__local_bh_enable_ip, 18);
  cpu.registers.resetFloatingPoint();
}

/** fpu__restore_sig: the state at `address`, 0 for none. Returns false for what cannot be loaded. */
export function restoreFpstate(kernel: Kernel, address: number): boolean {
  const { cpu } = kernel;
  cpu.run(F.fpu__restore_sig, 26);
  if (address === 0) {
    clearUserStates(kernel);
    return true;
  }
  cpu.run(F.__fpu_restore_sig, 110);
  cpu.run(F.copy_user_enhanced_fast_string, 3);
  cpu.run(F.copy_user_short_string, 45);
  cpu.run(F.__get_user_nocheck_4, 6);
  if (readUserBytes(kernel, address, IMAGE_BYTES) < 0) return false;
  cpu.run(F.xfd_validate_state, 6);
  cpu.run(F.fpregs_mark_activate, 12);
  cpu.run(F.__local_bh_enable_ip, 18);
  cpu.write(kernel.current.address + 5120);
  return loadImage(IMAGE, cpu.registers.view);
}
