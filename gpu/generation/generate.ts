/** Greedy decoding of many prompts at once. */
import type { GenerateRequest, GenerateResult, RunOptions, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { bordersOf } from "../model/rotary.ts";
import type { Runner } from "../pass/pass.ts";
import { rotationsOf } from "../pass/workspace.ts";
import { decodeAll } from "./queue.ts";
import { openDecodings } from "./sequence.ts";

/** Checks what a generation asks for beyond its ids. Throws InputError. */
export function checkGenerateRequest(config: ModelConfig, { inputIds, maxTokens, top = 0 }: GenerateRequest): void {
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InputError(`${maxTokens} is no number of tokens`, "maxTokens", "use a positive whole number");
  }
  if (inputIds.length + maxTokens > config.maxPositions) {
    throw new InputError(
      `${inputIds.length} prompt tokens and ${maxTokens} new ones are more than the model's ${config.maxPositions}`,
      "maxTokens",
      `use at most ${Math.max(0, config.maxPositions - inputIds.length)}`,
    );
  }
  if (!Number.isInteger(top) || top < 0) throw new InputError(`${top} is no count`, "top", "use a whole number");
}

/**
 * Greedy completions of checked requests, in their order. Where a context grows past a border from which positions turn by
 * other frequencies (longrope), it is computed again from its first token, as transformers does.
 */
export async function generateBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  const { onTokens } = options;
  const borders = bordersOf(rotationsOf(runner.model.config));
  const before = requests.map((): readonly number[] => []);
  const results = new Array<GenerateResult>(requests.length);
  let open = requests.map((request, index) => ({ request, index }));
  while (open.length > 0) {
    const waiting = open;
    const parts = waiting.map(({ request }) => upToBorder(borders, request));
    const found = await completeBatch(runner, parts, {
      ...options,
      ...(onTokens && {
        onTokens: (ids) => {
          const all = [...before];
          waiting.forEach(({ index }, at) => all[index] = [...before[index] ?? [], ...ids[at] ?? []]);
          onTokens(all);
        },
      }),
    });
    open = [];
    waiting.forEach(({ request, index }, at) => {
      const part = found[at] as GenerateResult;
      const ids = [...before[index] ?? [], ...part.ids];
      results[index] = { ...part, ids, first: results[index]?.first ?? part.first };
      before[index] = ids;
      const left = request.maxTokens - part.ids.length;
      if (part.stop === "eos" || left <= 0 || runner.rehearsal) return;
      const { force: _, top: __, ...rest } = request;
      open.push({ request: { ...rest, inputIds: [...request.inputIds, ...part.ids], maxTokens: left }, index });
    });
  }
  return results;
}

/** The part of a request whose contexts all lie on one side of the next border. */
function upToBorder(borders: readonly number[], request: GenerateRequest): GenerateRequest {
  const tokens = request.inputIds.length;
  const border = borders.find((one) => tokens <= one);
  return border === undefined ? request : { ...request, maxTokens: Math.min(request.maxTokens, border - tokens + 1) };
}

async function completeBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  const decodings = openDecodings(runner.model, requests);
  const { onTokens } = options;
  const onSteps = onTokens && (() => onTokens(decodings.map(({ ids }) => ids)));
  await decodeAll(runner, decodings, { ...options, onSteps });
  return decodings.map(({ ids, first, stop, end }) => ({ ids, first, stop: stop ?? "length", end }));
}

/** The `count` largest logits, largest first. */
export function largest(logits: Float32Array, count: number): TokenLogit[] {
  const ids = Uint32Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return Array.from(ids.subarray(0, count), (id) => ({ id, logit: logits[id] as number }));
}
