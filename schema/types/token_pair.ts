/** TokenPair: the wrong token, the right alternative, and the evidence. */
import { type SQL, sql } from "drizzle-orm";
import { builder } from "./builder.ts";
import { FailureCase } from "./failure_case.ts";
import { type attributions, failureCases, tokenPairs } from "../tables/tables.ts";
import type { Candidate } from "../tables/values.ts";

interface PairTokenRow {
  readonly id: number;
  readonly text: string;
  readonly logit: number;
}

/** Attributions of a pair that its case's own model computed, not another member of a series. */
export function ofOwnModel(table: typeof attributions): SQL {
  return sql`${table.modelId} = (
    select ${failureCases.modelId} from ${failureCases}
    inner join ${tokenPairs} on ${tokenPairs.failureCaseId} = ${failureCases.id}
    where ${tokenPairs.id} = ${table.tokenPairId})`;
}

export const PairToken = builder.objectRef<PairTokenRow>("PairToken").implement({
  description: "One of a pair's two tokens, with its logit at the last position.",
  fields: (t) => ({
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    logit: t.exposeFloat("logit", { description: "Raw logit, no softmax." }),
  }),
});

const ContrastToken = builder.objectRef<PairTokenRow & { readonly rank: number }>("ContrastToken").implement({
  description: "The right alternative, with its logit and rank at the last position.",
  fields: (t) => ({
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    logit: t.exposeFloat("logit", { description: "Raw logit, no softmax." }),
    rank: t.exposeInt("rank", { description: "Rank among all logits, 0 = the model's own choice." }),
  }),
});

export const CandidateType = builder.objectRef<Candidate>("Candidate").implement({
  description: "An alternative that was looked at when the pair was searched.",
  fields: (t) => ({
    rank: t.exposeInt("rank", { description: "Rank among all logits, 0 = the model's own choice." }),
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    logit: t.exposeFloat("logit", { description: "Raw logit, no softmax." }),
    completion: t.exposeString("completion", {
      nullable: true,
      description: "What greedy decoding made of it; null when it was not tried.",
    }),
    passed: t.exposeBoolean("passed", {
      nullable: true,
      description: "The checker's verdict on that completion; null when it was not tried.",
    }),
    endedEarly: t.boolean({
      nullable: true,
      description:
        "Whether the completion was cut where it was certain that it fails, whatever follows: its text then " +
        "stops there. Null when it was not tried.",
      resolve: ({ completion, endedEarly }) => completion === null ? null : endedEarly ?? false,
    }),
  }),
});

const PairSource = builder.enumType("PairSource", {
  description: "Who found a token pair.",
  values: {
    IMPORTED: { value: "imported", description: "It came with an imported failure case." },
    SEARCH: { value: "search", description: "The search found it among the model's own alternatives." },
    SIBLING: { value: "sibling", description: "The search found it among a larger model's alternatives." },
    ANNOTATION: { value: "annotation", description: "An annotator chose it." },
    ASKED: { value: "asked", description: "Somebody asked why the model said one token and not the other." },
  } as const,
});

export const TokenPair = builder.drizzleNode("tokenPairs", {
  name: "TokenPair",
  description: "The wrong token that a model produced (target) and the right alternative (contrast).",
  id: { column: (pair) => pair.id },
  select: { columns: {} },
  fields: (t) => ({
    failureCase: t.relation("failureCase", { type: FailureCase, description: "The case it belongs to." }),
    target: t.field({
      type: PairToken,
      description: "The wrong token: the model's argmax at the last position.",
      select: { columns: { targetId: true, targetText: true, targetLogit: true } },
      resolve: (pair) => ({ id: pair.targetId, text: pair.targetText, logit: pair.targetLogit }),
    }),
    contrast: t.field({
      type: ContrastToken,
      description: "The right alternative.",
      select: { columns: { contrastId: true, contrastText: true, contrastLogit: true, contrastRank: true } },
      resolve: (pair) => ({
        id: pair.contrastId,
        text: pair.contrastText,
        logit: pair.contrastLogit,
        rank: pair.contrastRank,
      }),
    }),
    position: t.exposeInt("position", {
      description: "Where the target stands, counted from the first token of the prompt: the tokens before it.",
    }),
    delta: t.exposeFloat("delta", { description: "target.logit - contrast.logit; a case is clean above 1." }),
    source: t.expose("source", { type: PairSource, description: "Who found the pair." }),
    candidates: t.field({
      type: [CandidateType],
      description: "The alternatives that were looked at, best rank first.",
      complexity: { field: 1, multiplier: 2 },
      select: { columns: { candidates: true } },
      resolve: (pair) => [...pair.candidates],
    }),
    attributions: t.relation("attributions", {
      description: "The pair's attributions on the model of its case, one a rule at most.",
      complexity: { field: 1, multiplier: 2 },
      query: { where: { RAW: ofOwnModel }, orderBy: { id: "asc" } },
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was stored." }),
  }),
});
