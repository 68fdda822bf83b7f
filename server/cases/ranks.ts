/** Where tokens stand among the logits of the whole vocabulary; of equal logits the lower id stands first. */

export interface RankedLogit {
  /** How many tokens stand before it. */
  readonly rank: number;
  readonly logit: number;
}

export function rankIn(logits: Float32Array, id: number): RankedLogit {
  const logit = logits[id] as number;
  const rank = logits.reduce(
    (count, value, other) => value > logit || value === logit && other < id ? count + 1 : count,
    0,
  );
  return { rank, logit };
}

/** Ids of the largest logits, largest first. */
export function bestOf(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  logits.forEach((logit, id) => {
    if (best.length === count && !(logit > logits[best.at(-1) as number]!)) return;
    const place = best.findIndex((other) => logit > logits[other]!);
    best.splice(place < 0 ? best.length : place, 0, id);
    if (best.length > count) best.pop();
  });
  return best;
}
