/** What follows a failure's context on both ways: the right continuation, and the one that the model wrote. */
import type { Tokenizer } from "../../gpu/mod.ts";
import { preferencePair, type PreferenceSource } from "../preferences/pair.ts";
import { CONTINUATION_TOKENS, type Continuations } from "./causal.ts";

/** The first tokens of both, `maxPositions` of the model permitting; the two tokens alone without a passing rollout. */
export function continuationsOf(source: PreferenceSource, tokenizer: Tokenizer, maxPositions: number): Continuations {
  const { inputIds, contrastId, targetId } = source;
  const ids = preferencePair(source, tokenizer);
  if (typeof ids === "string") return { inputIds, right: [contrastId], wrong: [targetId] };
  const most = Math.max(1, Math.min(CONTINUATION_TOKENS, maxPositions - inputIds.length));
  return { inputIds, right: ids.chosenIds.slice(0, most), wrong: ids.rejectedIds.slice(0, most) };
}
