/** Greedy decoding of many prompts at once. */
import type { GenerateRequest, GenerateResult, RunOptions, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { bordersOf } from "../model/rotary.ts";
import type { Runner } from "../pass/pass.ts";
import { rotationsOf } from "../pass/workspace.ts";
import { decodeAll } from "./queue.ts";
import { type DecodedRequest, type Decoding, openDecodings } from "./sequence.ts";

/** Checks what a generation asks for beyond its ids. Throws InputError. */
export function checkGenerateRequest(config: ModelConfig, request: GenerateRequest): void {
  const { inputIds, maxTokens, top = 0, thought } = request;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InputError(`${maxTokens} is no number of tokens`, "maxTokens", "use a positive whole number");
  }
  if (thought && (!Number.isInteger(thought.budget) || thought.budget < 1)) {
    throw new InputError(`${thought.budget} is no number of tokens`, "thought.budget", "use a positive whole number");
  }
  const thoughtTokens = thought ? thought.budget + thought.ending.length : 0;
  if (inputIds.length + thoughtTokens + maxTokens > config.maxPositions) {
    const asked = thought ? `${thoughtTokens} of a thought and ${maxTokens} new ones` : `${maxTokens} new ones`;
    throw new InputError(
      `${inputIds.length} prompt tokens and ${asked} are more than the model's ${config.maxPositions}`,
      "maxTokens",
      `use at most ${Math.max(0, config.maxPositions - inputIds.length - thoughtTokens)}`,
    );
  }
  if (!Number.isInteger(top) || top < 0) throw new InputError(`${top} is no count`, "top", "use a whole number");
}

/**
 * Greedy completions of checked requests, in their order. Where a context grows past a border from which positions turn by
 * other frequencies (longrope), it is computed again from its first token, as transformers does; a thought whose budget is
 * used up is closed, and the answer goes on after its end.
 */
export async function generateBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  const { onTokens } = options;
  const borders = bordersOf(rotationsOf(runner.model.config));
  const results = requests.map((): GenerateResult => ({ ids: [], stop: "length", end: null, first: [] }));
  let open = requests.map((request, index) => ({ request: decodedRequest(runner, request), index }));
  while (open.length > 0) {
    const waiting = open;
    const parts = waiting.map(({ request }) => upToBorder(borders, request));
    const found = await completeBatch(runner, parts, {
      ...options,
      ...(onTokens && {
        onTokens: (ids) => {
          const all = results.map((result) => result.ids);
          waiting.forEach(({ index }, at) => all[index] = [...all[index] ?? [], ...ids[at] ?? []]);
          onTokens(all);
        },
      }),
    });
    open = [];
    waiting.forEach(({ request, index }, at) => {
      const part = found[at] as Decoding;
      results[index] = extended(results[index] as GenerateResult, part);
      const next = runner.rehearsal ? undefined : continued(request, part);
      if (next) open.push({ request: next, index });
    });
  }
  return results;
}

/** All new tokens that a request may have; the end of a thought is put in between, when the first part is decoded. */
function decodedRequest({ rehearsal }: Runner, { until, ...request }: GenerateRequest): DecodedRequest {
  const { maxTokens, thought } = request;
  // A rehearsal's tokens are nobody's.
  const asked = until && !rehearsal ? { until } : {};
  return { ...request, ...asked, maxTokens: maxTokens + (thought?.budget ?? 0), answerTokens: maxTokens };
}

/** A result with the part that was decoded after it. */
function extended(before: GenerateResult, { ids, first, stop, end, thoughtEnd, request }: Decoding): GenerateResult {
  const all = [...before.ids, ...ids];
  const result = {
    ...before,
    ids: all,
    stop: stop === "eos" || stop === "until" ? stop : "length",
    end,
    first: before.ids.length > 0 ? before.first : first,
  } as const;
  if (!request.thought) return result;
  if (stop === "thought") {
    const { ending } = request.thought;
    return {
      ...result,
      ids: [...all, ...ending],
      thought: { tokens: all.length + ending.length, inserted: ending.length },
    };
  }
  return { ...result, thought: { tokens: before.ids.length + (thoughtEnd ?? ids.length), inserted: 0 } };
}

/** What is left of a request after a part of it; undefined where that is nothing. */
function continued(
  { force: _, top: __, thought, until, ...asked }: DecodedRequest,
  { ids, stop, thoughtEnd }: Decoding,
): DecodedRequest | undefined {
  if (stop === "eos" || stop === "until") return undefined;
  const added = stop === "thought" ? [...ids, ...thought?.ending ?? []] : ids;
  const inputIds = [...asked.inputIds, ...added];
  const request = until ? { ...asked, until: (more: readonly number[]) => until([...added, ...more]) } : asked;
  const { answerTokens } = request;
  if (stop === "thought") return { ...request, inputIds, maxTokens: answerTokens };
  const thinks = thought && thoughtEnd === undefined;
  const most = thoughtEnd === undefined ? request.maxTokens : Math.min(request.maxTokens, thoughtEnd + answerTokens);
  const left = most - ids.length;
  if (left <= 0) return undefined;
  const rest = { ...request, inputIds, maxTokens: left };
  if (!thinks) return { ...rest, answerTokens: left };
  const { budget, endOf } = thought;
  const goesOn = {
    ...thought,
    budget: budget - ids.length,
    endOf: (more: readonly number[]) => {
      const found = endOf([...ids, ...more]);
      return found === undefined ? undefined : found - ids.length;
    },
  };
  return { ...rest, thought: goesOn };
}

/** The part of a request whose contexts all lie on one side of the next border. */
function upToBorder(borders: readonly number[], request: DecodedRequest): DecodedRequest {
  const tokens = request.inputIds.length;
  const border = borders.find((one) => tokens <= one);
  return border === undefined ? request : { ...request, maxTokens: Math.min(request.maxTokens, border - tokens + 1) };
}

async function completeBatch(
  runner: Runner,
  requests: readonly DecodedRequest[],
  options: RunOptions,
): Promise<Decoding[]> {
  const decodings = openDecodings(runner.model, requests);
  const { onTokens } = options;
  const onSteps = onTokens && (() => onTokens(decodings.map(({ ids }) => ids)));
  await decodeAll(runner, decodings, { ...options, onSteps });
  return decodings;
}

/** The `count` largest logits, largest first. */
export function largest(logits: Float32Array, count: number): TokenLogit[] {
  const ids = Uint32Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return Array.from(ids.subarray(0, count), (id) => ({ id, logit: logits[id] as number }));
}
