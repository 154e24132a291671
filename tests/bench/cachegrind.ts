/** The peer of the benchmarks: valgrind's cachegrind, where it is installed. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Assembler } from '../../machine/hardware/cpu/assembler.ts';
import { HEAP, HEAP_BYTES, type Loop } from './loops.ts';

const CODE = 0x400000n;
const PAGE = 4096;
const OPTIONS = ['--tool=cachegrind', '--cache-sim=yes', '--cachegrind-out-file=/dev/null'];

export function isInstalled(): boolean {
  return spawnSync('valgrind', ['--version']).status === 0;
}

/** Wall seconds of a whole run of `file`; NaN if it did not end with status 0. */
export function secondsOf(file: string, args: readonly string[]): number {
  const begin = performance.now();
  const { status } = spawnSync('valgrind', [...OPTIONS, file, ...args], { stdio: 'ignore' });
  return status === 0 ? (performance.now() - begin) / 1000 : NaN;
}

/** A static executable: code at CODE, the filled heap at HEAP. */
function executable(code: Uint8Array, heap: Uint8Array): Uint8Array {
  const heapAt = PAGE + Math.ceil(code.length / PAGE) * PAGE;
  const file = new Uint8Array(heapAt + heap.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, CODE, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segments = [
    { flags: 5, offset: PAGE, address: CODE, bytes: code.length },
    { flags: 6, offset: heapAt, address: HEAP, bytes: heap.length },
  ];
  segments.forEach(({ flags, offset, address, bytes }, index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, address, true);
    view.setBigUint64(at + 24, address, true);
    view.setBigUint64(at + 32, BigInt(bytes), true);
    view.setBigUint64(at + 40, BigInt(bytes), true);
    view.setBigUint64(at + 48, BigInt(PAGE), true);
  });
  file.set(code, PAGE);
  file.set(heap, heapAt);
  return file;
}

/** Guest MIPS of a loop under cachegrind, its start-up taken off. */
export function loopMips(loop: Loop): number {
  const directory = mkdtempSync(join(tmpdir(), 'cyclelab-bench-'));
  try {
    const seconds = (repeats: number): number => {
      const asm = new Assembler();
      loop.emit(asm, repeats);
      const { sections } = asm.link(new Map([['.text', CODE]]), { absolutePointers: true });
      const heap = new Uint8Array(HEAP_BYTES);
      loop.fill(new DataView(heap.buffer));
      const file = join(directory, 'loop');
      writeFileSync(file, executable(sections[0].bytes, heap));
      chmodSync(file, 0o755);
      return secondsOf(file, []);
    };
    const repeats = Math.ceil(60e6 / loop.instructions);
    return (loop.instructions * repeats) / (seconds(2 * repeats) - seconds(repeats)) / 1e6;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
