/** Diagnosis: what the classifier says of an attribution, with its evidence. */
import type { DiagnosisEvidence, EvidenceNumber } from "../tables/analysis_values.ts";
import { Attribution } from "./attribution.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { Outcome, Pattern } from "./outcome.ts";
import { MarkOrigin } from "./mark_origin.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";

const Evidence = builder.objectRef<EvidenceNumber>("EvidenceNumber").implement({
  description: "A number that the classifier looked at; docs/diagnosis.md says what each means.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What was measured." }),
    value: t.exposeFloat("value", { description: "Its value." }),
    threshold: t.exposeFloat("threshold", {
      nullable: true,
      description: "What it was compared with; null where it only informs.",
    }),
    supports: t.exposeBoolean("supports", { description: "Whether it speaks for the verdict." }),
  }),
});

const ProbeKind = builder.enumType("ProbeKind", {
  description: "What a causal probe does to the attention toward some tokens, in all layers and heads.",
  values: {
    WEAKEN: { value: "weaken", description: "Divides its weight before normalisation by the factor." },
    STRENGTHEN: { value: "strengthen", description: "Multiplies it by the factor." },
  } as const,
});

const Probe = builder.objectRef<DiagnosisEvidence["probes"][number]>("DiagnosisProbe").implement({
  description: "A causal probe: attention toward some tokens changed, and what became of delta.",
  fields: (t) => ({
    kind: t.field({ type: ProbeKind, description: "What was done.", resolve: ({ kind }) => kind }),
    positions: t.intList({
      description: "Positions of the tokens.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ positions }) => [...positions],
    }),
    factor: t.exposeFloat("factor", { description: "By how much." }),
    before: t.exposeFloat("before", { description: "delta before." }),
    after: t.exposeFloat("after", { description: "delta after." }),
    asClaimed: t.exposeBoolean("asClaimed", { description: "Whether delta fell as the claim says it should." }),
  }),
});

export const Diagnosis = builder.drizzleNode("diagnoses", {
  name: "Diagnosis",
  description: "What the classifier says of an attribution: automatic, and kept apart from what people say (Label).",
  id: { column: (diagnosis) => diagnosis.id },
  select: { columns: {} },
  fields: (t) => ({
    attribution: t.relation("attribution", { type: Attribution, description: "What it looked at." }),
    outcome: t.expose("outcome", { type: Outcome, description: "Where the failure shows." }),
    pattern: t.expose("pattern", {
      type: Pattern,
      nullable: true,
      description: "How it came about; null where nothing is explained, or no pattern is found.",
    }),
    confidence: t.exposeFloat("confidence", {
      description: "0 to 1: how far the numbers are from their thresholds, less for claims that no probe confirms.",
    }),
    summary: t.string({
      description: "One sentence that names tokens.",
      select: { columns: { evidence: true } },
      resolve: ({ evidence }) => evidence.summary,
    }),
    relevantPositions: t.intList({
      nullable: true,
      description: "Positions of the tokens that a right answer has to use here; null when nobody marked any.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { evidence: true } },
      resolve: ({ evidence }) => evidence.relevant && [...evidence.relevant],
    }),
    numbers: t.field({
      type: [Evidence],
      description: "What was measured.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { evidence: true } },
      resolve: ({ evidence }) => [...evidence.numbers],
    }),
    probes: t.field({
      type: [Probe],
      description: "The causal probes of its claims.",
      complexity: { field: 1, multiplier: 2 },
      select: { columns: { evidence: true } },
      resolve: ({ evidence }) => [...evidence.probes],
    }),
    marksOrigin: t.expose("marksOrigin", {
      type: MarkOrigin,
      nullable: true,
      description: "Who marked the instructions that it looked at; null where nobody had.",
    }),
    marksVersion: t.exposeString("marksVersion", {
      nullable: true,
      description: "Version of these marks; null for a file's.",
    }),
    version: t.exposeString("version", { description: "Of the classifier: its rules and thresholds." }),
    outdated: t.boolean({
      description: "Whether another version made it than the one that runs here.",
      select: { columns: { version: true } },
      resolve: ({ version }, _args, context) => version !== context.services.diagnosisVersion(),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was made." }),
  }),
});

builder.drizzleObjectFields(Attribution, (t) => ({
  diagnosis: t.relation("diagnosis", {
    type: Diagnosis,
    nullable: true,
    description: "What the classifier says of it; null before it was asked.",
  }),
}));

const DiagnosisSelection = builder.enumType("DiagnosisSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    MISSING: { value: "missing", description: "Every pair without a diagnosis of this version of the classifier." },
    CLEAN: { value: "clean", description: "Those of them whose delta is above 1." },
  } as const,
});

const DiagnoseInput = builder.inputType("DiagnoseInput", {
  description: "What to diagnose: `tokenPairIds`, a `selection`, a `filter` or `cases`.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(
      pairIds("The token pairs; a diagnosis of this version that looked at the same marks is kept."),
    ),
    selection: t.field({ type: DiagnosisSelection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rule: t.field({ type: Rule, description: "Backward rule of what it looks at; ATTNLRP when nothing is said." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("diagnose", (t) =>
  t.drizzleField({
    type: Job,
    description: "Says outcome and pattern of token pairs. What is missing of attributions and graphs is computed.",
    errors: { types: [InputError], union: { name: "DiagnoseResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: DiagnoseInput, required: true, description: "What to diagnose." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.diagnose({
        tokenPairIds: await chosenPairs(input, context),
        rule: input.rule ?? "attnlrp",
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
