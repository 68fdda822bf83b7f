/** Predictions at the last position under interventions, many at once: what masking experiments and probes ask. */
import { gradientRowBytes } from "../pass/block.ts";
import type { ContinuationRequest, RunOptions, ScoreRequest, ScoreResult, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { largest } from "./generate.ts";
import { ablatedCount } from "../pass/ablation.ts";
import { intervene } from "../pass/intervention.ts";
import { argmaxReference } from "../kernels/decode.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { eachLogits, forward, lastLogits, type Runner } from "../pass/pass.ts";

/** Device bytes of a pack's activations, and of its logits. A longer request is a pack of its own. */
const PACK_BYTES = 2 ** 28;
/** Share of a pass's memory that it may take. */
const PACK_SHARE = 1 / 4;
const LOGIT_BYTES = 2 ** 26;
/** Heads and neurons that the requests of a pack ablate, all together: each takes 20 bytes at most. */
const PACK_ABLATED = 2 ** 20;

/** Results of checked requests, in their order; each is that of the request alone, to the last bit. */
export async function scoreAll(
  runner: Runner,
  requests: readonly ScoreRequest[],
  options: RunOptions,
): Promise<ScoreResult[]> {
  const results: ScoreResult[] = [];
  for (const pack of packs(runner, requests)) {
    options.signal?.throwIfAborted();
    results.push(...await scorePacked(runner, pack, options));
  }
  return results;
}

/** Throws InputError for a continuation without tokens, or without input before it. */
export function checkContinuation({ inputIds, continuation }: ContinuationRequest): void {
  if (inputIds.length === 0) throw new InputError("it is empty", "inputIds", "give at least one token");
  if (continuation.length === 0) throw new InputError("it is empty", "continuation", "give at least one token");
}

/** Log probabilities of checked requests' continuations, in their order, in nats: one row of a pass for each token. */
export async function continuationsOf(
  runner: Runner,
  requests: readonly ContinuationRequest[],
  options: RunOptions,
): Promise<number[][]> {
  // The last token's own prediction is nobody's question.
  const sequences = requests.map(({ inputIds, continuation, ...intervention }) => ({
    ...intervention,
    inputIds: [...inputIds, ...continuation.slice(0, -1)],
    continuation,
  }));
  const results: number[][] = [];
  for (const pack of packs(runner, sequences)) {
    options.signal?.throwIfAborted();
    results.push(...await continuePacked(runner, pack, options));
  }
  return results;
}

/** As `forward` takes them: the continuation's tokens but the last stand behind the input. */
async function continuePacked(
  runner: Runner,
  pack: readonly ContinuationRequest[],
  options: RunOptions,
): Promise<number[][]> {
  const asked = pack.flatMap(({ inputIds, continuation }, sequence) =>
    continuation.map((id, index) => ({ sequence, position: inputIds.length - continuation.length + index, id }))
  );
  const pass = await forward(runner, pack.map(({ inputIds }) => inputIds), options, {
    purpose: "logits",
    interventions: pack.map((request) => intervene(runner.model, request)),
    reads: asked,
  });
  const results = pack.map((): number[] => []);
  try {
    await eachLogits(runner, pass, [...asked.keys()], (read, logits) => {
      if (runner.rehearsal) return;
      const { sequence, id } = asked[read]!;
      const { target, logNormaliser } = resultOf({ inputIds: [], target: id }, logits);
      results[sequence]!.push(target.logit - logNormaliser);
    });
    return results;
  } finally {
    pass.workspace.free();
  }
}

/** Requests in runs that fit the device's memory together. */
function* packs<Request extends Pick<ScoreRequest, "inputIds" | "ablate">>(
  { model: { config }, passBytes = Infinity }: Runner,
  requests: readonly Request[],
): Generator<readonly Request[]> {
  const mostRows = Math.min(PACK_BYTES, passBytes * PACK_SHARE) / gradientRowBytes(config);
  const mostRequests = Math.max(1, Math.floor(LOGIT_BYTES / panelBytes(PANEL, config.vocabulary))) * PANEL;
  let pack: Request[] = [];
  let rows = 0;
  let ablated = 0;
  for (const request of requests) {
    const more = panelsOf(request.inputIds.length) * PANEL;
    const moreAblated = ablatedCount(request.ablate ?? {});
    const isFull = rows + more > mostRows || pack.length >= mostRequests || ablated + moreAblated > PACK_ABLATED;
    if (pack.length > 0 && isFull) {
      yield pack;
      pack = [];
      rows = 0;
      ablated = 0;
    }
    pack.push(request);
    rows += more;
    ablated += moreAblated;
  }
  if (pack.length > 0) yield pack;
}

async function scorePacked(
  runner: Runner,
  requests: readonly ScoreRequest[],
  options: RunOptions,
): Promise<ScoreResult[]> {
  const pass = await forward(runner, requests.map(({ inputIds }) => inputIds), options, {
    purpose: "logits",
    interventions: requests.map((request) => intervene(runner.model, request)),
  });
  try {
    const logits = await lastLogits(runner, pass);
    if (runner.rehearsal) return [];
    return requests.map((request, index) => resultOf(request, logits[index] as Float32Array));
  } finally {
    pass.workspace.free();
  }
}

function resultOf({ target, contrast, tokens = [], top = 0 }: ScoreRequest, logits: Float32Array): ScoreResult {
  const of = (id: number): TokenLogit => ({ id, logit: logits[id] as number });
  const argmax = of(argmaxReference(logits));
  if (!logits.every(Number.isFinite)) throw new Error("logits at the last position are not finite");
  const wrong = target === undefined ? argmax : of(target);
  const right = contrast === undefined ? null : of(contrast);
  return {
    argmax,
    target: wrong,
    contrast: right,
    logitDifference: right && wrong.logit - right.logit,
    tokens: tokens.map(of),
    top: top > 0 ? largest(logits, top) : [],
    logNormaliser: argmax.logit + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - argmax.logit), 0)),
  };
}
