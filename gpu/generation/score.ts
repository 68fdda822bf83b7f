/** Predictions at the last position under interventions, many at once: what masking experiments and probes ask. */
import { gradientRowBytes } from "../pass/block.ts";
import type { RunOptions, ScoreRequest, ScoreResult, TokenLogit } from "../engine.ts";
import { largest } from "./generate.ts";
import { intervene } from "../pass/intervention.ts";
import { argmaxReference } from "../kernels/decode.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { forward, lastLogits, type Runner } from "../pass/pass.ts";

/** Device bytes of a pack's activations, and of its logits. A longer request is a pack of its own. */
const PACK_BYTES = 2 ** 28;
/** Share of a pass's memory that it may take. */
const PACK_SHARE = 1 / 4;
const LOGIT_BYTES = 2 ** 26;

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

/** Requests in runs that fit the device's memory together. */
function* packs(
  { model: { config }, passBytes = Infinity }: Runner,
  requests: readonly ScoreRequest[],
): Generator<readonly ScoreRequest[]> {
  const mostRows = Math.min(PACK_BYTES, passBytes * PACK_SHARE) / gradientRowBytes(config);
  const mostRequests = Math.max(1, Math.floor(LOGIT_BYTES / panelBytes(PANEL, config.vocabulary))) * PANEL;
  let pack: ScoreRequest[] = [];
  let rows = 0;
  for (const request of requests) {
    const more = panelsOf(request.inputIds.length) * PANEL;
    if (pack.length > 0 && (rows + more > mostRows || pack.length >= mostRequests)) {
      yield pack;
      pack = [];
      rows = 0;
    }
    pack.push(request);
    rows += more;
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
