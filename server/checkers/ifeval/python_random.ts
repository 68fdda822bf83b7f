/**
 * Python's `random.Random`, as far as langdetect uses it: the same numbers from the same seed.
 * The generator is MT19937 of Matsumoto and Nishimura (ACM TOMACS 8(1), 1998), seeded by an array of one word.
 */

export interface PythonRandom {
  /** An index below `count`, as `random.choice` picks it. `count` is 1 to 2^32 - 1. */
  readonly below: (count: number) => number;
  /** `random.gauss(0, 1)`. */
  readonly gauss: () => number;
}

const SIZE = 624;
const SHIFT = 397;

/** `random.Random(seed)` for a seed of 0 to 2^32 - 1. */
export function pythonRandom(seed: number): PythonRandom {
  const word = generator(seed);
  const uniform = () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  let spare: number | undefined;
  return {
    below: (count) => {
      // Draws of as many bits as the count has, until one is below it.
      const drop = Math.clz32(count);
      for (;;) {
        const drawn = word() >>> drop;
        if (drawn < count) return drawn;
      }
    },
    gauss: () => {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const angle = uniform() * 2 * Math.PI;
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      spare = Math.sin(angle) * radius;
      return Math.cos(angle) * radius;
    },
  };
}

/** 32-bit words. */
function generator(seed: number): () => number {
  const state = seeded(seed);
  let at = SIZE;
  return () => {
    if (at === SIZE) {
      twist(state);
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** The state after `init_by_array` with the one word `seed`. */
function seeded(seed: number): Uint32Array {
  const state = new Uint32Array(SIZE);
  state[0] = 19650218;
  const mixed = (at: number) => state[at - 1]! ^ (state[at - 1]! >>> 30);
  for (let at = 1; at < SIZE; at++) state[at] = Math.imul(1812433253, mixed(at)) + at;
  let at = 1;
  const next = () => {
    at += 1;
    if (at >= SIZE) {
      state[0] = state[SIZE - 1]!;
      at = 1;
    }
  };
  for (let round = 0; round < SIZE; round++, next()) {
    state[at] = (state[at]! ^ Math.imul(mixed(at), 1664525)) + seed;
  }
  for (let round = 0; round < SIZE - 1; round++, next()) {
    state[at] = (state[at]! ^ Math.imul(mixed(at), 1566083941)) - at;
  }
  state[0] = 0x80000000;
  return state;
}

function twist(state: Uint32Array): void {
  for (let at = 0; at < SIZE; at++) {
    const y = (state[at]! & 0x80000000) | (state[(at + 1) % SIZE]! & 0x7fffffff);
    state[at] = state[(at + SHIFT) % SIZE]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
