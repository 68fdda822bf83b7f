/** Predictions at the last position under interventions, many at once: what masking experiments and probes ask. */
import type { ContinuationRequest, RunOptions, ScoreRequest, ScoreResult, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { largest } from "./generate.ts";
import { ablatedCount } from "../pass/ablation.ts";
import { intervene, type Intervened } from "../pass/intervention.ts";
import { argmaxReference } from "../kernels/decode.ts";
import { PANEL, panelBytes } from "../kernels/panels.ts";
import { eachLogits, forward, lastLogits, type Runner } from "../pass/pass.ts";
import { passBytesOf } from "../pass/expanded_attention.ts";
import { commonLength, NO_ROWS, orderOf, type PassSequence, symbolsOf, withSequence } from "../pass/shared_rows.ts";

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
  const asked = requests.map((request): Asked<ScoreRequest> => ({
    request,
    ids: request.inputIds,
    intervened: intervene(runner.model, request),
    reads: [request.inputIds.length - 1],
  }));
  return await inPacks(runner, asked, options, (pack) => scorePacked(runner, pack, options));
}

/** A request as a sequence of a pass. */
interface Asked<Request> extends PassSequence {
  readonly request: Request;
  readonly intervened: Intervened;
}

/** Answers of packs, in the order of what is asked. */
async function inPacks<Request, Result>(
  runner: Runner,
  asked: readonly Asked<Request>[],
  { signal }: RunOptions,
  answer: (pack: readonly Asked<Request>[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results = new Array<Result>(asked.length);
  for (const pack of packsOf(runner, asked)) {
    signal?.throwIfAborted();
    const found = await answer(pack.map((index) => asked[index] as Asked<Request>));
    pack.forEach((index, at) => results[index] = found[at] as Result);
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
  const asked = requests.map((request): Asked<ContinuationRequest> => {
    const { inputIds, continuation } = request;
    return {
      request,
      // The last token's own prediction is nobody's question.
      ids: [...inputIds, ...continuation.slice(0, -1)],
      intervened: intervene(runner.model, request),
      reads: continuation.map((_, index) => inputIds.length - 1 + index),
    };
  });
  return await inPacks(runner, asked, options, (pack) => continuePacked(runner, pack, options));
}

async function continuePacked(
  runner: Runner,
  pack: readonly Asked<ContinuationRequest>[],
  options: RunOptions,
): Promise<number[][]> {
  const reads = pack.flatMap(({ reads, request: { continuation } }, sequence) =>
    reads.map((position, index) => ({ sequence, position, id: continuation[index] as number }))
  );
  const pass = await forward(runner, pack.map(({ ids }) => ids), options, {
    purpose: "logits",
    interventions: pack.map(({ intervened }) => intervened),
    reads,
  });
  const results = pack.map((): number[] => []);
  try {
    await eachLogits(runner, pass, [...reads.keys()], (read, logits) => {
      if (runner.rehearsal) return;
      const { sequence, id } = reads[read]!;
      const { target, logNormaliser } = resultOf({ target: id }, logits);
      results[sequence]!.push(target.logit - logNormaliser);
    });
    return results;
  } finally {
    pass.workspace.free();
  }
}

/**
 * Sequences in runs that fit the device's memory together, by their indices; those that begin alike stand together, so that
 * they share rows.
 */
function* packsOf(
  { model: { config }, passBytes = Infinity }: Runner,
  asked: readonly Asked<unknown>[],
): Generator<readonly number[]> {
  const mostBytes = Math.min(PACK_BYTES, passBytes * PACK_SHARE);
  const mostRequests = Math.max(1, Math.floor(LOGIT_BYTES / panelBytes(PANEL, config.vocabulary))) * PANEL;
  const symbols = symbolsOf(config, asked);
  let pack: number[] = [];
  let size = NO_ROWS;
  let ablated = 0;
  for (const index of orderOf(symbols)) {
    const before = pack.at(-1);
    const own = symbols[index] as Int32Array;
    const more = withSequence(size, own, before === undefined ? 0 : commonLength(symbols[before] as Int32Array, own));
    const moreAblated = ablatedCount((asked[index] as Asked<unknown>).intervened.ablation);
    const bytes = passBytesOf(config, more, ablated + moreAblated > 0);
    const isFull = bytes > mostBytes || pack.length >= mostRequests || ablated + moreAblated > PACK_ABLATED;
    if (pack.length > 0 && isFull) {
      yield pack;
      pack = [];
      size = NO_ROWS;
      ablated = 0;
    }
    size = pack.length > 0 ? more : withSequence(size, own, 0);
    ablated += moreAblated;
    pack.push(index);
  }
  if (pack.length > 0) yield pack;
}

async function scorePacked(
  runner: Runner,
  pack: readonly Asked<ScoreRequest>[],
  options: RunOptions,
): Promise<ScoreResult[]> {
  const pass = await forward(runner, pack.map(({ ids }) => ids), options, {
    purpose: "logits",
    interventions: pack.map(({ intervened }) => intervened),
  });
  try {
    const logits = await lastLogits(runner, pass);
    if (runner.rehearsal) return [];
    return pack.map(({ request }, index) => resultOf(request, logits[index] as Float32Array));
  } finally {
    pass.workspace.free();
  }
}

function resultOf(
  { target, contrast, tokens = [], top = 0 }: Omit<ScoreRequest, "inputIds">,
  logits: Float32Array,
): ScoreResult {
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
