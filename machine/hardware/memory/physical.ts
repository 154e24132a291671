/**
 * Guest physical memory as the kernel model and devices see it: contents without timing. Writes to
 * a page that holds translated code are noted for the dispatcher (Header.CODE_WRITTEN).
 */
import { assert } from '../../core/assert.ts';
import { CodePage, Header, Region } from '../layout.ts';
import type { LinearMemory } from './linear-memory.ts';

const CODE_WRITTEN = (Region.HEADER + Header.CODE_WRITTEN) >> 2;
const CODE_WRITTEN_PAGE = (Region.HEADER + Header.CODE_WRITTEN_PAGE) >> 2;
const TWO_32 = 0x1_0000_0000;

/** Addresses are physical, in bytes; a range outside memory is our own bug and throws. */
export class PhysicalMemory {
  readonly bytes: number;
  private readonly linear: LinearMemory;
  private readonly base: number;

  constructor(linear: LinearMemory) {
    this.linear = linear;
    this.base = linear.guestBase;
    this.bytes = linear.guestBytes;
  }

  read8(address: number): number {
    return this.linear.u8[this.host(address, 1)];
  }

  read16(address: number): number {
    return this.linear.data.getUint16(this.host(address, 2), true);
  }

  read32(address: number): number {
    return this.linear.data.getUint32(this.host(address, 4), true);
  }

  read64(address: number): bigint {
    return this.linear.data.getBigUint64(this.host(address, 8), true);
  }

  write8(address: number, value: number): void {
    const host = this.host(address, 1);
    this.noteWrite(address, 1);
    this.linear.u8[host] = value;
  }

  write16(address: number, value: number): void {
    const host = this.host(address, 2);
    this.noteWrite(address, 2);
    this.linear.data.setUint16(host, value, true);
  }

  write32(address: number, value: number): void {
    const host = this.host(address, 4);
    this.noteWrite(address, 4);
    this.linear.data.setUint32(host, value, true);
  }

  /** Takes signed and unsigned values alike. */
  write64(address: number, value: bigint): void {
    const host = this.host(address, 8);
    this.noteWrite(address, 8);
    this.linear.data.setBigInt64(host, BigInt.asIntN(64, value), true);
  }

  /** A non-negative integer below 2^53, without the cost of a BigInt. */
  readNumber64(address: number): number {
    const host = this.host(address, 8);
    const high = this.linear.data.getUint32(host + 4, true);
    return high * TWO_32 + this.linear.data.getUint32(host, true);
  }

  writeNumber64(address: number, value: number): void {
    const host = this.host(address, 8);
    this.noteWrite(address, 8);
    this.linear.data.setUint32(host, value >>> 0, true);
    this.linear.data.setUint32(host + 4, Math.floor(value / TWO_32), true);
  }

  /** A live view, to read only: writes through it would go unnoticed. */
  view(address: number, length: number): Uint8Array {
    const host = this.host(address, length);
    return this.linear.u8.subarray(host, host + length);
  }

  write(address: number, bytes: Uint8Array): void {
    const host = this.host(address, bytes.length);
    this.noteWrite(address, bytes.length);
    this.linear.u8.set(bytes, host);
  }

  zero(address: number, length: number): void {
    const host = this.host(address, length);
    this.noteWrite(address, length);
    this.linear.u8.fill(0, host, host + length);
  }

  /** Ranges may overlap. */
  copy(to: number, from: number, length: number): void {
    const source = this.host(from, length);
    const target = this.host(to, length);
    this.noteWrite(to, length);
    this.linear.u8.copyWithin(target, source, source + length);
  }

  private host(address: number, length: number): number {
    assert(
      address >= 0 && length >= 0 && address + length <= this.bytes,
      'physical address is in memory',
    );
    return this.base + address;
  }

  private noteWrite(address: number, length: number): void {
    if (length === 0) return;
    const { u8, i32, codePages } = this.linear;
    const last = Math.floor((address + length - 1) / 4096);
    for (let page = Math.floor(address / 4096); page <= last; page++) {
      const state: CodePage = u8[codePages + page];
      if (state === CodePage.NONE) continue;
      if (state !== CodePage.WRITTEN) {
        u8[codePages + page] = CodePage.WRITTEN;
        i32[CODE_WRITTEN]++;
      }
      i32[CODE_WRITTEN_PAGE] = page;
    }
  }
}
