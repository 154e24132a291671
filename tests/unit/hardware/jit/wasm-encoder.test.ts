/** The encoder's bytes, held against the format and against the host's own decoder. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ByteWriter,
  encodeModule,
  FunctionWriter,
  INDIRECT_TYPE_INDEX,
  type FunctionType,
} from '../../../../machine/hardware/jit/wasm-encoder.ts';
import { ValueType, Wasm } from '../../../../machine/hardware/jit/wasm-opcodes.ts';

const UNARY: FunctionType = { parameters: [ValueType.I32], results: [ValueType.I32] };
const WIDE: FunctionType = { parameters: [ValueType.I64], results: [ValueType.I64] };

/** Reads LEB128 back. */
function decodeLeb(bytes: Uint8Array, signed: boolean): bigint {
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if ((byte & 0x80) === 0) return signed ? BigInt.asIntN(Number(shift), value) : value;
  }
  throw new Error('unterminated');
}

function instantiate(bytes: Uint8Array, table = newTable()): Record<string, CallableFunction> {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, table },
  });
  return instance.exports as Record<string, CallableFunction>;
}

function newTable(): WebAssembly.Table {
  return new WebAssembly.Table({ element: 'anyfunc', initial: 8 });
}

describe('LEB128', () => {
  it('unsigned round-trips in as few bytes as it needs', () => {
    fc.assert(
      fc.property(fc.nat({ max: 0xffffffff }), (value) => {
        const w = new ByteWriter();
        w.unsigned(value);
        expect(decodeLeb(w.bytes(), false)).toBe(BigInt(value));
        expect(w.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)));
      }),
    );
  });

  it('signed 32 and 64 bits round-trip', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const w = new ByteWriter();
        w.signed64(value);
        expect(decodeLeb(w.bytes(), true)).toBe(value);
        const narrow = new ByteWriter();
        narrow.signed(Number(BigInt.asIntN(32, value)));
        expect(decodeLeb(narrow.bytes(), true)).toBe(BigInt.asIntN(32, value));
      }),
    );
  });

  it('64 bits are taken modulo 2^64', () => {
    const w = new ByteWriter();
    w.signed64(0xffff_ffff_ffff_ffffn);
    expect([...w.bytes()]).toEqual([0x7f]);
  });
});

describe('a module', () => {
  const identityPlus = (n: number): Uint8Array => {
    const w = new FunctionWriter(1);
    w.localGet(0);
    w.i32Const(n);
    w.u8(Wasm.I32_ADD);
    return w.finish();
  };

  it('has the smallest encoding of its one function, byte for byte', () => {
    const bytes = encodeModule(
      { imports: [], functions: [{ type: UNARY, body: identityPlus(5), exportName: 'f' }] },
      UNARY,
    );
    expect(Buffer.from(bytes).toString('hex')).toBe(
      [
        '0061736d01000000', // magic, version
        '01060160017f017f', // one type: (i32) -> i32
        '021d0203656e76066d656d6f727902000103656e76057461626c6501700000', // memory and table
        '03020100',
        '0705010166' + '0000',
        '0a09010700200041056a0b',
      ].join(''),
    );
  });

  it('declares locals of several types in runs and computes with them', () => {
    const w = new FunctionWriter(1);
    const sum = w.newLocal(ValueType.I64);
    const next = w.newLocal(ValueType.I64);
    const count = w.newLocal(ValueType.I32);
    expect([sum, next, count]).toEqual([1, 2, 3]);
    const out = w.block();
    const loop = w.loop();
    w.localGet(next);
    w.localGet(0);
    w.u8(Wasm.I64_GT_U);
    w.brIf(out);
    w.localGet(sum);
    w.localGet(next);
    w.u8(Wasm.I64_ADD);
    w.localSet(sum);
    w.localGet(next);
    w.i64Const(1n);
    w.u8(Wasm.I64_ADD);
    w.localSet(next);
    w.br(loop);
    w.end();
    w.end();
    w.localGet(sum);
    const body = w.finish();
    const bytes = encodeModule(
      { imports: [], functions: [{ type: WIDE, body, exportName: 'triangle' }] },
      UNARY,
    );
    const { triangle } = instantiate(bytes);
    expect((triangle as (n: bigint) => bigint)(100n)).toBe(5050n);
  });

  it('puts its functions into the shared table, where tail calls find them', () => {
    const table = newTable();
    const tail = new FunctionWriter(1);
    tail.localGet(0);
    tail.i32Const(3);
    tail.u8(Wasm.RETURN_CALL_INDIRECT);
    tail.unsigned(INDIRECT_TYPE_INDEX);
    tail.unsigned(0);
    const first = { type: UNARY, body: tail.finish() };
    const second = { type: UNARY, body: identityPlus(1000) };
    instantiate(
      encodeModule({ imports: [], functions: [first, second], tableBase: 2 }, UNARY),
      table,
    );
    const entry = table.get(2) as (n: number) => number;
    expect(entry(7)).toBe(1007);
    expect(table.get(1)).toBeNull();
  });

  it('refuses a function whose blocks are not closed', () => {
    const w = new FunctionWriter(0);
    w.block();
    expect(() => w.finish()).toThrow('closed');
  });
});
