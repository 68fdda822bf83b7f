/**
 * Runs of HELM (Stanford CRFM): `scenario_state.json`, with the verdicts of `per_instance_stats.json` where it lies beside.
 * Choices that were scored one by one are left out.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import type { Format, FoundRecord, RecordSource } from "./format.ts";
import { readJsonFile } from "./json_file.ts";
import { parseRecord } from "./parse_record.ts";
import { readPrompt } from "./prompt_shapes.ts";
import { loggedOf } from "./scores.ts";

const state = z.looseObject({
  instance: z.looseObject({
    id: z.string().nullish(),
    input: z.looseObject({ text: z.string().default("") }),
    references: z.array(z.unknown()).default([]),
    perturbation: z.looseObject({ name: z.string() }).nullish(),
  }),
  reference_index: z.int().nullish(),
  train_trial_index: z.int().nullish(),
  request: z.looseObject({
    model: z.string().nullish(),
    prompt: z.unknown().optional(),
    messages: z.unknown().optional(),
  }),
  result: z.looseObject({ completions: z.array(z.looseObject({ text: z.string() })).default([]) }).nullish(),
  stats: z.record(z.string(), z.unknown()).default({}),
});

export const helm: Format = {
  accepts: (name) => basename(name) === "scenario_state.json",
  recordsNameModels: true,
  // A run's folder is called by its scenario: "mmlu:subject=anatomy,model=...".
  benchmark: (name) => /^([^:]+)/.exec(basename(dirname(name)))?.[1]?.replace(/^\.$/, "") || undefined,
  records: statesOf,
  read: (record, where, facts) => {
    const { instance, request, result, stats, ...one } = parseRecord(state, record, where, "a request of HELM");
    if (one.reference_index !== null && one.reference_index !== undefined) {
      return [{ kind: "skipped", reason: "loglikelihood" }];
    }
    const completions = result?.completions ?? [];
    if (completions.length === 0) return [{ kind: "skipped", reason: "no_answer" }];
    const messages = Array.isArray(request.messages) && request.messages.length > 0;
    const prompt = messages
      ? readPrompt(request.messages, where, "request.messages")
      : readPrompt(request.prompt ?? instance.input.text, where, "request.prompt");
    const known = facts.items?.find(instance.input.text);
    const trial = one.train_trial_index ?? 0;
    const samples = [instance.perturbation?.name, trial > 0 ? `trial ${trial}` : undefined];
    return completions.map(({ text }, index) => {
      const sample = [...samples, completions.length > 1 ? String(index) : undefined].filter(Boolean).join(", ");
      return {
        kind: "response",
        response: {
          model: request.model ?? undefined,
          benchmark: facts.benchmark,
          task: instance.id ?? canonicalHash(instance.input.text).slice(0, 8),
          docHash: canonicalHash({ input: instance.input.text, references: instance.references }),
          promptHash: canonicalHash(prompt),
          filter: "none",
          ...(sample === "" ? {} : { sample }),
          prompt,
          completion: text,
          item: known === undefined ? null : checkItemOf(known),
          logged: loggedOf(stats),
          instructionPhrases: phrasesOf(known),
          metadata: { from: "helm", references: instance.references },
        },
      };
    });
  },
};

async function* statesOf({ path, name }: RecordSource): AsyncGenerator<FoundRecord> {
  const run = await readJsonFile(path, name);
  const states = isJsonObject(run) && Array.isArray(run["request_states"]) ? run["request_states"] : undefined;
  if (states === undefined) throw new InputError("it has no request_states", name, "give a run's scenario_state.json");
  const stats = await statsBeside(path, name);
  for (const [index, one] of states.entries()) {
    const own = isJsonObject(one)
      ? stats.get(keyOf(one, isJsonObject(one["instance"]) ? one["instance"]["id"] : null))
      : {};
    const text = JSON.stringify(isJsonObject(one) ? { ...one, stats: own ?? {} } : one);
    yield { text, where: `${name}:${index + 1}`, index, count: states.length };
  }
}

const keyOf = (one: JsonObject, id: unknown): string => `${id}/${one["train_trial_index"] ?? 0}`;

/** Means of each instance's scores, by instance and trial; of the instance as it is, not as it was perturbed. */
async function statsBeside(path: string, name: string): Promise<ReadonlyMap<string, JsonObject>> {
  const beside = join(dirname(path), "per_instance_stats.json");
  const there = await readFile(beside).then(() => true, () => false);
  const list = there ? await readJsonFile(beside, join(dirname(name), "per_instance_stats.json")) : [];
  const found = new Map<string, JsonObject>();
  for (const one of Array.isArray(list) ? list : []) {
    if (!isJsonObject(one) || !Array.isArray(one["stats"]) || isJsonObject(one["perturbation"])) continue;
    const scores = one["stats"].flatMap((stat): [string, unknown][] => {
      const called = isJsonObject(stat) && isJsonObject(stat["name"]) ? stat["name"]["name"] : undefined;
      return typeof called === "string" && isJsonObject(stat) ? [[called, stat["mean"] ?? stat["sum"] ?? null]] : [];
    });
    found.set(keyOf(one, one["instance_id"]), Object.fromEntries(scores));
  }
  return found;
}
