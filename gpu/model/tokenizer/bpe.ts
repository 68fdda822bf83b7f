/** Byte pair encoding (arXiv 1508.07909) as the tokenizers library merges: the lowest rank first, then the leftmost. */
import { InputError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../json.ts";

export interface Vocabulary {
  readonly idOf: ReadonlyMap<string, number>;
  /** Sparse. */
  readonly tokenOf: readonly (string | undefined)[];
}

export interface BytePairEncoding extends Vocabulary {
  /** Characters that are no entries are written as `<0xF0>`, a token for each byte. */
  readonly hasByteFallback: boolean;
  /** Ids of a word. */
  readonly encode: (word: string) => readonly number[];
}

/** Ids must fit a table's keys. */
const MOST_IDS = 2 ** 24;
/** Words that are remembered, and the longest of them. */
const MOST_WORDS = 50_000;
const LONGEST_WORD = 64;

/** Reads `model` of tokenizer.json. Throws InputError at `where` for another kind and for broken tables. */
export function readBytePairEncoding(model: JsonObject, where: string): BytePairEncoding {
  // Older files have no type.
  if ((model["type"] ?? "BPE") !== "BPE" || model["merges"] === undefined) {
    const kind = JSON.stringify(model["type"] ?? null);
    throw new InputError(`the tokenizer model ${kind} is not supported`, where, "use a model with a BPE tokenizer");
  }
  for (const name of ["continuing_subword_prefix", "end_of_word_suffix", "dropout"]) {
    if (model[name] == null || model[name] === "" || model[name] === 0) continue;
    throw new InputError(`${name} ${JSON.stringify(model[name])} is not supported`, where, "use another tokenizer");
  }
  const vocabulary = readVocabulary(model["vocab"], where);
  const merges = readMerges(model["merges"], vocabulary.idOf, where);
  const unknown = typeof model["unk_token"] === "string" ? vocabulary.idOf.get(model["unk_token"]) : undefined;
  const hasByteFallback = model["byte_fallback"] === true;
  const symbolsOf = symbolReader(vocabulary.idOf, {
    bytes: hasByteFallback ? byteIds(vocabulary.idOf) : undefined,
    unknown,
    fuses: model["fuse_unk"] === true,
  });
  const isWhole = model["ignore_merges"] === true;
  const compute = (word: string): readonly number[] => {
    const whole = isWhole ? vocabulary.idOf.get(word) : undefined;
    return whole !== undefined ? [whole] : merge(symbolsOf(word), merges);
  };
  return { ...vocabulary, hasByteFallback, encode: rememberedWords(compute) };
}

function rememberedWords(compute: (word: string) => readonly number[]): (word: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (word) => {
    const found = known.get(word);
    if (found) return found;
    const ids = compute(word);
    if (word.length <= LONGEST_WORD) {
      if (known.size >= MOST_WORDS) known.clear();
      known.set(word, ids);
    }
    return ids;
  };
}

function readVocabulary(json: unknown, where: string): Vocabulary {
  if (!isJsonObject(json)) throw new InputError("model.vocab is not an object", where, "download the file again");
  const idOf = new Map<string, number>();
  const tokenOf: (string | undefined)[] = [];
  for (const [token, id] of Object.entries(json)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MOST_IDS) {
      throw new InputError(
        `model.vocab gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}`,
        where,
        "correct it",
      );
    }
    idOf.set(token, id);
    tokenOf[id] = token;
  }
  return { idOf, tokenOf };
}

/** A table of pairs, open addressing: where[slot] is 1 + the pair's index in the other arrays. */
interface Merges {
  readonly mask: number;
  readonly slots: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly merged: Int32Array;
}

function readMerges(json: unknown, idOf: ReadonlyMap<string, number>, where: string): Merges {
  if (!Array.isArray(json)) throw new InputError("model.merges is not a list", where, "download the file again");
  let size = 16;
  while (size < 2 * json.length) size *= 2;
  const [left, right, merged] = Array.from({ length: 3 }, () => new Int32Array(json.length)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const merges: Merges = { mask: size - 1, slots: new Int32Array(size), left, right, merged };
  for (let rank = 0; rank < json.length; rank++) {
    const pair: unknown = json[rank];
    const [one, other] = typeof pair === "string" ? halves(pair) : Array.isArray(pair) && pair.length === 2 ? pair : [];
    const [first, second, both] = [idOf.get(one), idOf.get(other), idOf.get(one + other)];
    if (first === undefined || second === undefined || both === undefined) {
      throw new InputError(
        `merge ${rank}, ${JSON.stringify(pair)}, is not of two tokens to one`,
        where,
        "download the file again",
      );
    }
    left[rank] = first;
    right[rank] = second;
    merged[rank] = both;
    merges.slots[slotOf(merges, first, second)] = rank + 1;
  }
  return merges;
}

/** The two sides of the one space in a text; none where there is another number of spaces. */
function halves(text: string): readonly string[] {
  const space = text.indexOf(" ");
  return space < 0 || text.includes(" ", space + 1) ? [] : [text.slice(0, space), text.slice(space + 1)];
}

/** Where a pair is, or where it would be. */
function slotOf({ mask, slots, left, right }: Merges, one: number, other: number): number {
  let slot = (Math.imul(one, 0x9e3779b1) ^ Math.imul(other, 0x85ebca6b)) & mask;
  for (;;) {
    const rank = slots[slot]! - 1;
    if (rank < 0 || left[rank] === one && right[rank] === other) return slot;
    slot = (slot + 1) & mask;
  }
}

/** The rank of a pair, or -1. */
function rankOf(merges: Merges, one: number, other: number): number {
  return merges.slots[slotOf(merges, one, other)]! - 1;
}

/** Ids of `<0x00>` to `<0xFF>`, as far as they are there; [256]. */
function byteIds(idOf: ReadonlyMap<string, number>): readonly (number | undefined)[] {
  return Array.from(
    { length: 256 },
    (_, byte) => idOf.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
}

interface Fallback {
  readonly bytes: readonly (number | undefined)[] | undefined;
  readonly unknown: number | undefined;
  /** Unknown characters in a row are one token. */
  readonly fuses: boolean;
}

/** Makes the function that writes a word by its characters. One that cannot be written is left out. */
function symbolReader(idOf: ReadonlyMap<string, number>, { bytes, unknown, fuses }: Fallback) {
  const encoder = new TextEncoder();
  return (word: string): number[] => {
    const ids: number[] = [];
    let wasUnknown = false;
    for (const character of word) {
      const id = idOf.get(character);
      const fallen = id === undefined && bytes
        ? Array.from(encoder.encode(character), (byte) => bytes[byte])
        : undefined;
      if (id !== undefined) ids.push(id);
      else if (fallen && !fallen.includes(undefined)) ids.push(...fallen as number[]);
      else if (unknown !== undefined && !(fuses && wasUnknown)) ids.push(unknown);
      wasUnknown = id === undefined && !(fallen && !fallen.includes(undefined));
    }
    return ids;
  };
}

/** Merges symbols in place of a doubly linked list, the next merge taken from a heap. */
function merge(ids: number[], merges: Merges): readonly number[] {
  const count = ids.length;
  if (count < 2) return ids;
  const next = Int32Array.from({ length: count }, (_, at) => at + 1 < count ? at + 1 : -1);
  const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
  const heap = new MergeHeap();
  const offer = (at: number): void => {
    const after = at < 0 ? -1 : next[at]!;
    if (after < 0) return;
    const rank = rankOf(merges, ids[at]!, ids[after]!);
    if (rank >= 0) heap.push(rank, at);
  };
  for (let at = 0; at + 1 < count; at++) offer(at);
  for (let top = heap.pop(); top; top = heap.pop()) {
    const { rank, at } = top;
    const after = ids[at]! < 0 ? -1 : next[at]!;
    if (after < 0) continue;
    // What stands here may have changed since it was offered.
    const now = rankOf(merges, ids[at]!, ids[after]!);
    if (now < 0 || merges.merged[now] !== merges.merged[rank]) continue;
    ids[at] = merges.merged[rank]!;
    ids[after] = -1;
    next[at] = next[after]!;
    if (next[at]! >= 0) previous[next[at]!] = at;
    offer(previous[at]!);
    offer(at);
  }
  return ids.filter((id) => id >= 0);
}

/** A heap of merges by rank, then by place. */
class MergeHeap {
  readonly #ranks: number[] = [];
  readonly #places: number[] = [];

  push(rank: number, at: number): void {
    let index = this.#ranks.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(rank, at, parent)) break;
      this.#ranks[index] = this.#ranks[parent]!;
      this.#places[index] = this.#places[parent]!;
      index = parent;
    }
    this.#ranks[index] = rank;
    this.#places[index] = at;
  }

  pop(): { readonly rank: number; readonly at: number } | undefined {
    if (this.#ranks.length === 0) return undefined;
    const top = { rank: this.#ranks[0]!, at: this.#places[0]! };
    const [rank, at] = [this.#ranks.pop()!, this.#places.pop()!];
    const count = this.#ranks.length;
    if (count > 0) this.#sink(rank, at, count);
    return top;
  }

  #sink(rank: number, at: number, count: number): void {
    let index = 0;
    for (let child = 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && this.#isBefore(this.#ranks[child + 1]!, this.#places[child + 1]!, child)) child++;
      if (this.#isBefore(rank, at, child)) break;
      this.#ranks[index] = this.#ranks[child]!;
      this.#places[index] = this.#places[child]!;
      index = child;
    }
    this.#ranks[index] = rank;
    this.#places[index] = at;
  }

  #isBefore(rank: number, at: number, index: number): boolean {
    return rank < this.#ranks[index]! || rank === this.#ranks[index] && at < this.#places[index]!;
  }
}
