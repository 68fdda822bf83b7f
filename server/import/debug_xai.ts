/**
 * Traces of the paper's reference code: a completion with its first error found, the alternatives that were tried
 * there, and the one that recovers. Each becomes a placed failure case with its token pair. Ids are those of the model's
 * tokenizer; ranks may be counted from 0 or from 1.
 */
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import type { Candidate } from "../../schema/tables/values.ts";
import { importLineOf, type Line } from "./culprit.ts";
import type { FileFacts, Format } from "./format.ts";
import type { ImportLine, ImportModel } from "./import_model.ts";
import { parseRecord } from "./parse_record.ts";
import { renderPrompt } from "./render.ts";

const tried = z.looseObject({
  rank: z.int().min(0),
  token_str: z.string(),
  token_id: z.int().min(0),
  logit: z.number(),
  eval_result: z.unknown().optional(),
  completion: z.string().nullish(),
});
const trace = z.looseObject({
  metadata: z.looseObject({ uuid: z.string().min(1), model: z.string().nullish() }),
  prompt: z.string().min(1, "the prompt is empty"),
  completion: z.string(),
  completion_before_err: z.string(),
  contrast_token: z.union([z.string(), z.int()]),
  topk_token_explore: z.array(tried).min(2, "fewer than two alternatives").max(1000),
  l_instruction_phases: z.array(z.string()).default([]),
});
type Trace = z.infer<typeof trace>;

export const debugXai: Format = {
  accepts: (name) => /\.jsonl?$/.test(name),
  recordsNameModels: true,
  read: (record, where, facts) => {
    const one = parseRecord(trace, record, where, "a trace with its error");
    return [{
      kind: "case",
      model: one.metadata.model ?? undefined,
      build: (model) => caseOf(one, model, where, facts),
    }];
  },
};

function caseOf(one: Trace, model: ImportModel, where: string, facts: FileFacts): ImportLine {
  const { tokenizer } = model;
  const { text: prompt, messages } = renderPrompt(model, { kind: "user", text: one.prompt }, {
    plain: facts.plain,
    thinking: one.completion.trimStart().startsWith("<think>"),
  });
  const promptIds = tokenizer.encode(prompt);
  const completionIds = tokenizer.encode(one.completion, { continues: true });
  const position = positionOf(completionIds, one.completion_before_err, model);
  const prefixIds = position === undefined
    ? tokenizer.encode(one.completion_before_err, { continues: true })
    : completionIds.slice(0, position);

  const lowest = Math.min(...one.topk_token_explore.map(({ rank }) => rank));
  const candidates = one.topk_token_explore.map((token): Candidate => ({
    rank: token.rank - lowest,
    id: token.token_id,
    text: tokenizer.token(token.token_id),
    logit: token.logit,
    completion: token.completion ?? null,
    passed: passedOf(token.eval_result),
  })).sort((a, b) => a.rank - b.rank);
  const target = candidates.find(({ id }) => position !== undefined && id === completionIds[position]) ??
    candidates[0]!;
  const contrast = contrastOf(one, candidates, model, where);
  const pairToken = ({ id, text, logit }: Candidate) => ({ id, text, logit });
  const { metadata } = one;
  const benchmark = metadata["benchmark"] ?? metadata["dataset"];
  const line: Line = {
    format: "culprit/1",
    key: `debug-xai/${metadata.uuid}`,
    benchmark: typeof benchmark === "string" && benchmark !== "" ? benchmark : facts.benchmark,
    task: metadata.uuid,
    model: model.name,
    messages: [...messages],
    prompt,
    prefix: one.completion_before_err,
    inputIds: [...promptIds, ...prefixIds],
    promptTokens: promptIds.length,
    completion: one.completion,
    completionIds,
    target: pairToken(target),
    contrast: { ...pairToken(contrast), rank: contrast.rank },
    delta: target.logit - contrast.logit,
    // Phrases are marked in the text that was asked; a template may trim it.
    instructionPhrases: one.l_instruction_phases.filter((phrase) => phrase !== "" && prompt.includes(phrase)),
    marks: null,
    candidates: candidates.map((candidate) => ({ ...candidate })),
    item: null,
    verdict: null,
    metadata,
  };
  return importLineOf(line, model, where);
}

/** Where the error stands: the completion's own tokens before it spell the text before it. */
function positionOf(ids: readonly number[], before: string, { tokenizer }: ImportModel): number | undefined {
  for (let position = tokenizer.encode(before, { continues: true }).length + 1; position >= 0; position--) {
    if (position < ids.length && tokenizer.decode(ids.slice(0, position), { continues: true }) === before) {
      return position;
    }
  }
  return undefined;
}

function contrastOf(one: Trace, candidates: readonly Candidate[], model: ImportModel, where: string): Candidate {
  const wanted = one.contrast_token;
  const spelled = new Map(one.topk_token_explore.map(({ token_id, token_str }) => [token_id, token_str]));
  const same = (text: (value: string) => string) => (candidate: Candidate) =>
    text(candidate.text) === text(String(wanted)) || text(spelled.get(candidate.id) ?? "") === text(String(wanted));
  const contrast = typeof wanted === "number"
    ? candidates.find(({ id }) => id === wanted)
    : candidates.find(same((text) => text)) ?? candidates.find(same((text) => text.trim()));
  if (contrast) return contrast;
  throw new InputError(
    `contrast_token is ${JSON.stringify(wanted)}, which is none of topk_token_explore of ${model.name}`,
    where,
    "give one of the alternatives that were tried",
  );
}

/** Verdicts are written as truth values, numbers, words, or objects that hold one of these. */
function passedOf(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value > 0;
  if (typeof value === "string") {
    if (/^(true|pass(ed)?|correct|success|yes|1)$/i.test(value)) return true;
    return /^(false|fail(ed)?|incorrect|wrong|error|no|0)$/i.test(value) ? false : null;
  }
  if (typeof value !== "object" || value === null) return null;
  for (const name of ["passed", "pass", "correct", "success", "follow_all_instructions", "result"]) {
    const inner: unknown = (value as Readonly<Record<string, unknown>>)[name];
    if (inner !== undefined) return passedOf(inner);
  }
  return null;
}
