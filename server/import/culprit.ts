/** One line of a culprit/1 file: read, checked, and made ready to store. */
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { statusOf, tokenTextsOf } from "../cases/place_case.ts";
import { spellMarks } from "../cases/segments.ts";
import { checkItem, verdict } from "../checkers/check_item.ts";
import { foundMarks, instructionsOf, originOf } from "../marks/found_marks.ts";
import type { Format } from "./format.ts";
import type { ImportLine, ImportModel } from "./import_model.ts";
import { findUnfitText, quoted } from "./parse_record.ts";

/** Most tokens of a case. */
const MAX_TOKENS = 1_000_000;

const name = z.string().min(1).max(500);
const tokenId = z.int().min(0);
const rank = z.int().min(0);
const pairToken = { id: tokenId, text: z.string(), logit: z.number() };

const record = z.strictObject({
  format: z.literal("culprit/1"),
  key: name,
  benchmark: name,
  task: name,
  model: name,
  // What else chat templates read stands beside role and content: tool_calls, tool_call_id, name, reasoning_content.
  messages: z.array(z.looseObject({ role: z.string(), content: z.string().nullish().transform((text) => text ?? "") }))
    .default([]),
  prompt: z.string().min(1, "the prompt is empty"),
  prefix: z.string(),
  inputIds: z.array(tokenId).min(1).max(MAX_TOKENS),
  promptTokens: z.int().min(1),
  completion: z.string(),
  completionIds: z.array(tokenId).max(MAX_TOKENS).default([]),
  target: z.strictObject(pairToken),
  contrast: z.strictObject({ ...pairToken, rank }),
  delta: z.number(),
  instructionPhrases: z.array(z.string().min(1)).max(1000).default([]),
  // Where the phrases come from; a file's own when left out.
  marks: z.strictObject({
    origin: z.enum(["file", "locator", "causal"]),
    version: z.string().max(100).nullable().default(null),
    instructions: z.array(z.int().min(0).max(1000)).max(1000).nullable().default(null),
  }).nullable().default(null),
  candidates: z.array(z.strictObject({
    rank,
    ...pairToken,
    completion: z.string().nullable().default(null),
    passed: z.boolean().nullable().default(null),
    endedEarly: z.boolean().exactOptional(),
  })).max(1000).default([]),
  item: checkItem.nullable().default(null),
  verdict: verdict.nullable().default(null),
  metadata: z.record(z.string(), z.unknown()).default({}),
});
export type Line = z.infer<typeof record>;

/** How far delta may be from the difference of the logits given: they may have been rounded. */
const DELTA_TOLERANCE = 0.02;

export const culprit: Format = {
  accepts: (name) => name.endsWith(".jsonl"),
  exact: true,
  recordsNameModels: true,
  read: (json, where) => {
    const line = parse(json, where);
    return [{ kind: "case", model: line.model, build: (model) => importLineOf(line, model, where) }];
  },
};

/** Checks a line against its model and computes what is stored. Throws InputError that names the place and the mend. */
export function importLineOf(line: Line, model: ImportModel, where: string): ImportLine {
  const wrong = (what: string, mend: string) => new InputError(what, where, mend);
  checkIds(line, model, wrong);
  if (line.promptTokens > line.inputIds.length) {
    throw wrong(
      `promptTokens is ${line.promptTokens}, but there are ${line.inputIds.length} inputIds`,
      "count the tokens of the prompt alone",
    );
  }
  if (line.target.id === line.contrast.id) {
    throw wrong(`target and contrast are both token ${line.target.id}`, "give the right alternative as contrast");
  }
  const difference = line.target.logit - line.contrast.logit;
  if (Math.abs(difference - line.delta) > DELTA_TOLERANCE) {
    throw wrong(
      `delta is ${line.delta}, but target.logit - contrast.logit is ${difference}`,
      "give the difference of the two logits",
    );
  }
  if (line.delta <= 0 || line.contrast.rank === 0) {
    throw wrong(
      line.delta <= 0
        ? `delta is ${line.delta}, so the model prefers the contrast to the target`
        : "contrast.rank is 0, the rank of the token that the model chose",
      "give the wrong token that the model chose as target, the right alternative as contrast",
    );
  }
  checkTokenTexts(line, model, wrong);
  for (const phrase of line.instructionPhrases) {
    if (!line.prompt.includes(phrase)) {
      throw wrong(`the prompt has no phrase ${quoted(phrase)}`, "give exact substrings of the prompt");
    }
  }
  checkText(line, model, wrong);
  return { failureCase: failureCaseOf(line, model, wrong), tokenPair: tokenPairOf(line) };
}

type Wrong = (what: string, mend: string) => InputError;

function parse(json: unknown, where: string): Line {
  const parsed = record.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = (issue?.path ?? []).map((part) => typeof part === "number" ? `[${part}]` : `.${String(part)}`).join(
      "",
    );
    const field = path.replace(/^\./, "");
    throw new InputError(
      `${field === "" ? "" : `${field}: `}${issue?.message ?? "it is not of the format"}`,
      where,
      "mend the field, the format culprit/1 is described in docs/import.md",
    );
  }
  const unfit = findUnfitText(parsed.data);
  if (unfit !== undefined) {
    throw new InputError(`${unfit} holds a NUL or half a surrogate pair`, where, "remove the broken character");
  }
  return parsed.data;
}

function checkIds(line: Line, model: ImportModel, wrong: Wrong): void {
  const lists: [string, readonly number[]][] = [
    ["inputIds", line.inputIds],
    ["completionIds", line.completionIds],
    ["target.id", [line.target.id]],
    ["contrast.id", [line.contrast.id]],
    ["candidates", line.candidates.map(({ id }) => id)],
  ];
  for (const [field, ids] of lists) {
    const at = ids.findIndex((id) => id >= model.vocabulary);
    if (at < 0) continue;
    throw wrong(
      `${field}${ids.length > 1 ? `[${at}]` : ""} is ${ids[at]}, but ${model.name} has ${model.vocabulary} token ids`,
      "give ids of this model's tokenizer",
    );
  }
}

/** A token's text must be that of its id: text that is not one token would be shown as if it were. */
function checkTokenTexts(line: Line, { name, tokenizer }: ImportModel, wrong: Wrong): void {
  const tokens: [string, { readonly id: number; readonly text: string }][] = [
    ["target", line.target],
    ["contrast", line.contrast],
    ...line.candidates.map((token, index): [string, typeof token] => [`candidates[${index}]`, token]),
  ];
  for (const [field, { id, text }] of tokens) {
    const own = tokenizer.token(id);
    // Parts of a character have no text of their own: how they are written is the file's choice.
    if (text === own || text.normalize("NFC") === tokenizer.decode([id]).normalize("NFC")) continue;
    throw wrong(
      `${field}.text is ${quoted(text)}, but token ${id} of ${name} is ${quoted(own)}`,
      "give the text of this one token, or its right id",
    );
  }
}

/** Ids of another tokenizer, or of another text, would be explained as if they were this text. */
function checkText({ inputIds, promptTokens, prompt, prefix }: Line, { tokenizer }: ImportModel, wrong: Wrong): void {
  const parts: [string, string, readonly number[]][] = [
    ["prompt", prompt, inputIds.slice(0, promptTokens)],
    ["prefix", prefix, inputIds.slice(promptTokens)],
  ];
  for (const [field, text, ids] of parts) {
    const spelled = tokenizer.decode(ids, { continues: field === "prefix" });
    if (spelled.normalize("NFC") === text.normalize("NFC")) continue;
    // A character may lie across the end of the prompt's tokens: then the whole decides.
    if (tokenizer.decode(inputIds).normalize("NFC") === (prompt + prefix).normalize("NFC")) return;
    throw wrong(
      `the ${ids.length} ids of the ${field} spell ${quoted(spelled)}, but ${field} is ${quoted(text)}`,
      "give the ids of prompt + prefix by this model's tokenizer, and promptTokens of them for the prompt",
    );
  }
}

function failureCaseOf(line: Line, model: ImportModel, wrong: Wrong): ImportLine["failureCase"] {
  const { target: _target, contrast: _contrast, delta, candidates: _candidates, format: _format, ...rest } = line;
  // What checks answers, and marks that nobody made by hand, may be learnt later: they make no other case.
  const { item, verdict, marks: origin, ...content } = rest;
  const { model: _model, ...values } = content;
  const found = origin === null ? foundMarks(line.instructionPhrases, item) : {
    ...origin,
    marks: line.instructionPhrases.map((phrase, index) => ({
      phrase,
      instruction: origin.instructions?.[index] ?? null,
    })),
  };
  const { marks, segments } = spellMarks(model.tokenizer, line.inputIds, line.promptTokens, found?.marks ?? []);
  const phrases = marks.map(({ phrase }) => phrase);
  const unspelled = line.instructionPhrases.find((phrase) => !phrases.includes(phrase));
  if (unspelled !== undefined) {
    throw wrong(
      `the prompt's tokens do not spell the phrase ${quoted(unspelled)}`,
      "give it as the model reads it",
    );
  }
  return {
    ...values,
    modelId: model.id,
    instructionPhrases: phrases,
    phraseInstructions: instructionsOf(marks),
    ...originOf(marks.length > 0 ? found : null),
    tokenTexts: tokenTextsOf(model.tokenizer, line.inputIds),
    segments,
    tokenCount: line.inputIds.length,
    delta,
    ...statusOf(delta),
    source: "imported",
    item,
    verdict,
    contentHash: canonicalHash(
      origin === null || origin.origin === "file" ? content : { ...content, instructionPhrases: [] },
    ),
  };
}

function tokenPairOf({ inputIds, target, contrast, delta, candidates }: Line): ImportLine["tokenPair"] {
  return {
    position: inputIds.length,
    targetId: target.id,
    targetText: target.text,
    targetLogit: target.logit,
    contrastId: contrast.id,
    contrastText: contrast.text,
    contrastLogit: contrast.logit,
    contrastRank: contrast.rank,
    delta,
    source: "imported",
    candidates: [...candidates].sort((a, b) => a.rank - b.rank),
    contentHash: canonicalHash({ target, contrast, delta, candidates }),
  };
}
