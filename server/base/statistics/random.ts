/** Random numbers that a seed and a name fix for ever, on every machine. */
import { createHash } from "node:crypto";

export interface Random {
  /** A whole number from 0 to 2^32 - 1. */
  readonly word: () => number;
  /** A whole number from 0 to `count` - 1, `count` at most 2^32; without bias. */
  readonly below: (count: number) => number;
}

/** xoshiro128** 1.1 (Blackman and Vigna, arXiv 1805.01407) from four words of state, not all 0. */
export function xoshiro(state: ArrayLike<number>): Random {
  const s = Uint32Array.from(state);
  const word = () => {
    const times5 = Math.imul(s[1]!, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  };
  const below = (count: number) => {
    // Words past the last whole multiple of count would favour small numbers.
    const limit = 2 ** 32 - 2 ** 32 % count;
    for (;;) {
      const drawn = word();
      if (drawn < limit) return drawn % count;
    }
  };
  return { word, below };
}

/** The stream of a seed and a name: its state is the start of the SHA-256 of both, as JSON. */
export function randomStream(seed: number, name: string): Random {
  const digest = createHash("sha256").update(JSON.stringify([seed, name])).digest();
  return xoshiro([0, 4, 8, 12].map((at) => digest.readUInt32LE(at)));
}

/** The items in a random order (Fisher and Yates). */
export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
