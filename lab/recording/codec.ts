/** The zstd codec of compressed recordings: WebAssembly, loaded only when a file needs it. */

export interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  /** Throws when `bytes` is not a frame of exactly `size` bytes. */
  decompress(bytes: Uint8Array, size: number): Uint8Array;
}

/** 9 bytes a row at the highest speed; higher levels gain little on columns. */
const LEVEL = 1;

let loading: Promise<Zstd> | undefined;

async function load(): Promise<Zstd> {
  const { default: zstd } = await import('@foxglove/wasm-zstd');
  await zstd.isLoaded;
  return {
    compress: (bytes) => zstd.compress(bytes, LEVEL),
    decompress: (bytes, size) => {
      const plain = zstd.decompress(bytes, size);
      if (plain.byteLength !== size) {
        throw new RangeError(`${String(plain.byteLength)} bytes where ${String(size)} were stated`);
      }
      return plain;
    },
  };
}

export function loadZstd(): Promise<Zstd> {
  return (loading ??= load());
}
