/** Preference pairs as trainers read them; docs/preferences.md describes the formats. */
import { chooseWeights, type WeightChoice } from "./weights.ts";

export const PREFERENCE_FORMATS = ["trl", "trl-weighted", "tis-dpo"] as const;
export type PreferenceFormatName = (typeof PREFERENCE_FORMATS)[number];

/** A stored preference pair with what it comes from. */
export interface StoredPreference {
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly tokenPairId: number;
  readonly delta: number;
  readonly model: string;
  readonly modelHash: string;
  readonly tokenizerHash: string;
  readonly formula: string;
  readonly adapter: string;
  /** Which marks of the prompt the weights go by: "locator/1", "file", "none". */
  readonly marks: string;
  /** Text and ids of prompt and answer before the divergence. */
  readonly prompt: string;
  readonly promptIds: readonly number[];
  readonly chosen: Completion;
  readonly rejected: Completion;
}

export interface Completion {
  readonly text: string;
  readonly ids: readonly number[];
  readonly weights: readonly number[];
  /** Without the token that ends it, as TIS-DPO has it. */
  readonly open: { readonly text: string; readonly tokens: number; readonly standsAlone: boolean };
}

export interface RowOptions {
  readonly format: PreferenceFormatName;
  readonly weights: WeightChoice;
  /** Seed of shuffled weights. */
  readonly seed: number;
}

/** Types of the columns, in the order of the row. */
export type ColumnType = "string" | "int" | "double" | "ints" | "doubles";
export type PreferenceRow = Readonly<Record<string, string | number | readonly number[]>>;

const TEXT = { prompt: "string", chosen: "string", rejected: "string" } as const;
const ORIGIN = { key: "string", tokenizer: "string", tokenizer_hash: "string" } as const;
const FORMULA = { formula: "string", weights: "string", marks: "string" } as const;

export const COLUMNS: Readonly<Record<PreferenceFormatName, Readonly<Record<string, ColumnType>>>> = {
  "trl": { ...TEXT, ...ORIGIN },
  "trl-weighted": {
    ...TEXT,
    prompt_ids: "ints",
    chosen_ids: "ints",
    rejected_ids: "ints",
    chosen_weights: "doubles",
    rejected_weights: "doubles",
    divergence_index: "int",
    ...FORMULA,
    ...ORIGIN,
    model: "string",
    model_hash: "string",
    benchmark: "string",
    task: "string",
    delta: "double",
    adapter: "string",
  },
  "tis-dpo": {
    ...TEXT,
    chosen_weight: "doubles",
    rejected_weight: "doubles",
    weight_transform: "string",
    ...FORMULA,
    ...ORIGIN,
  },
};

/** Why a stored pair has no row in a format, or its row. */
export function rowOf(
  one: StoredPreference,
  options: RowOptions,
): PreferenceRow | "ends_at_once" | "tokenises_otherwise" {
  const { key, prompt, chosen, rejected } = one;
  const { format, seed } = options;
  const origin = { key, tokenizer: one.model, tokenizer_hash: one.tokenizerHash };
  if (format === "trl") return { prompt, chosen: chosen.text, rejected: rejected.text, ...origin };
  const weights = (which: "chosen" | "rejected") =>
    chooseWeights(one[which].weights, options.weights, seed, `${key}#${one.tokenPairId}/${which}`);
  const formula = {
    formula: one.formula,
    weights: options.weights === "shuffled" ? `shuffled, seed ${seed}` : options.weights,
    marks: one.marks,
  };
  if (format === "tis-dpo") {
    const both = [chosen.open, rejected.open];
    if (both.some(({ tokens }) => tokens === 0)) return "ends_at_once";
    if (both.some(({ standsAlone }) => !standsAlone)) return "tokenises_otherwise";
    return {
      prompt,
      chosen: chosen.open.text,
      rejected: rejected.open.text,
      // Its loader negates the weights of chosen tokens.
      chosen_weight: weights("chosen").slice(0, chosen.open.tokens).map((weight) => -weight),
      rejected_weight: weights("rejected").slice(0, rejected.open.tokens),
      weight_transform: "origin",
      ...formula,
      ...origin,
    };
  }
  return {
    prompt,
    chosen: chosen.text,
    rejected: rejected.text,
    prompt_ids: one.promptIds,
    chosen_ids: chosen.ids,
    rejected_ids: rejected.ids,
    chosen_weights: weights("chosen"),
    rejected_weights: weights("rejected"),
    divergence_index: 0,
    ...formula,
    ...origin,
    model: one.model,
    model_hash: one.modelHash,
    benchmark: one.benchmark,
    task: one.task,
    delta: one.delta,
    adapter: one.adapter,
  };
}
