/**
 * Names of a file's tensors as transformers gives them. Trainers save a wrapped model's own names: torch.compile and
 * FSDP put a segment where they wrapped, DataParallel, PEFT and TRL a prefix before every name, and who saves the inner
 * model loses its prefix. None of these changes what a tensor is, so they are taken off, and said.
 */

/** Segments that wrappers put anywhere in a name. */
const WRAPPERS = /(^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)(?=\.)/g;

/** Heads that trainers put beside the language model, which do not take part in its logits. */
const EXTRA_HEADS = /^v_head\./;

export interface PlainNames {
  /** Names as in the file, by the names that transformers gives them. */
  readonly stored: ReadonlyMap<string, string>;
  /** What was taken off or added: one plain line each. */
  readonly notes: readonly string[];
}

/**
 * Finds what stands before the name that transformers gives to the embedding (for example "model.embed_tokens.weight")
 * and takes it off where all names share it; or adds what the embedding's name lacks to all but those that `outer` tells
 * stand beside the inner model ("lm_head.weight").
 */
export function plainNames(
  names: Iterable<string>,
  embedding: string,
  outer: (name: string) => boolean,
): PlainNames {
  const notes: string[] = [];
  const all = [...names].map((stored) => ({ stored, plain: unwrapped(stored) }));
  const wrapped = all.filter(({ stored, plain }) => stored !== plain);
  if (wrapped.length > 0) {
    const found = new Set(wrapped.flatMap(({ stored }) => [...stored.matchAll(WRAPPERS)].map(([text]) => text)));
    const named = [...new Set([...found].map((text) => text.replace(/^\./, "")))];
    notes.push(`${named.join(", ")} is taken off the names of ${wrapped.length} of ${all.length} tensors`);
  }
  const own = all.filter(({ plain }) => !EXTRA_HEADS.test(plain));
  const prefix = ownPrefix(own.map(({ plain }) => plain), embedding);
  if (typeof prefix === "string" && prefix !== "") notes.push(`${prefix} is taken off the names of all tensors`);
  const missing = typeof prefix === "string" ? "" : prefix.missing;
  if (missing !== "") notes.push(`${missing} is put before the names of all tensors`);
  const rename = (plain: string): string => {
    if (EXTRA_HEADS.test(plain)) return plain;
    if (typeof prefix === "string") return plain.slice(prefix.length);
    return outer(plain) ? plain : `${missing}${plain}`;
  };
  const heads = all.length - own.length;
  if (heads > 0) notes.push(`${heads} tensors of a value head (v_head.) are not read`);
  const stored = new Map(all.map(({ stored, plain }) => [rename(plain), stored]));
  // Where two names become one, none is plainly right: the names stay, and what nobody reads of them is refused.
  return stored.size === all.length
    ? { stored, notes }
    : { stored: new Map(all.map((one) => [one.stored, one.stored])), notes: [] };
}

function unwrapped(name: string): string {
  return name.replace(WRAPPERS, "").replace(/^\./, "");
}

/** The prefix that all names share before the embedding's, or what they all lack of it; "" where neither is so. */
function ownPrefix(names: readonly string[], embedding: string): string | { readonly missing: string } {
  if (names.includes(embedding)) return "";
  const named = names.find((name) => name.endsWith(`.${embedding}`));
  if (named !== undefined) {
    const prefix = named.slice(0, -embedding.length);
    return names.every((name) => name.startsWith(prefix)) ? prefix : "";
  }
  const dot = embedding.indexOf(".");
  const missing = embedding.slice(0, dot + 1);
  return names.includes(embedding.slice(dot + 1)) && !names.some((name) => name.startsWith(missing)) ? { missing } : "";
}

/** Buffers that checkpoints carry and that hold no weight. */
const BUFFERS = /(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(bias|masked_bias|rotary_emb\.inv_freq))$/;

/** Tensors that are neither in `read` nor known to be no weights of the language model. */
export function unreadTensors(names: Iterable<string>, read: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => !read.has(name) && !BUFFERS.test(name) && !EXTRA_HEADS.test(name));
}
