/**
 * Seeded random numbers: xoshiro128** seeded through splitmix32 (public-domain algorithms by
 * Blackman and Vigna). Deterministic on every host; not for secrets.
 */

function splitmix32(state: number): () => number {
  let x = state | 0;
  return () => {
    x = (x + 0x9e3779b9) | 0;
    let z = x ^ (x >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export class Random {
  private readonly state = new Uint32Array(4);

  /**
   * `seed` is any integer; `stream` names an independent sequence of the same seed, so that one
   * consumer drawing more numbers does not move the numbers of another.
   */
  constructor(seed: number, stream: string) {
    let hash = 0x811c9dc5;
    for (let i = 0; i < stream.length; i++) {
      hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    }
    const mix = splitmix32(hash ^ (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b));
    for (let i = 0; i < 4; i++) this.state[i] = mix();
  }

  /** A uniform integer in 0 .. 2^32 - 1. */
  u32(): number {
    const s = this.state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** A uniform integer in 0 .. bound - 1; `bound` is at most 2^53. */
  below(bound: number): number {
    if (bound <= 2 ** 32) return Math.floor((this.u32() / 2 ** 32) * bound);
    const wide = (this.u32() >>> 11) * 2 ** 32 + this.u32();
    return Math.floor((wide / 2 ** 53) * bound);
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.u32();
      for (let j = i; j < i + 4 && j < bytes.length; j++) bytes[j] = word >>> ((j - i) * 8);
    }
  }
}
