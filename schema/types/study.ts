/** Study: the same token pairs on every member of a series of models. */
import { resolveCursorConnection, type ResolveCursorConnectionArgs } from "@pothos/plugin-relay";
import { eq } from "drizzle-orm";
import { z } from "zod";
import type {
  MemberRow,
  SegmentsRow,
  StudyMovementRow,
  StudyPointRow,
  StudySourceRow,
  StudySummaryRow,
} from "../services/studies.ts";
import { studies, studyPairs } from "../tables/analysis_tables.ts";
import { InputError } from "./input_error.ts";
import { builder, MAX_PAGE, pageCost } from "./builder.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { idempotencyKey, Job } from "./job.ts";
import { Interval } from "./interval.ts";
import { ModelSeries } from "./model_series.ts";
import { found, globalId } from "./rows.ts";
import { Rule } from "./rule.ts";

const Verdict = builder.enumType("StudyVerdict", {
  description: "Whether one member corrects what another gets wrong; x and y are their deltas.",
  values: {
    CORRECTED: { value: "corrected", description: "x > 1 and y < -1." },
    NOT_CORRECTED: { value: "not_corrected", description: "y > 1." },
    UNDECIDED: { value: "undecided", description: "Neither." },
  } as const,
});

const StudyPoint = builder.objectRef<StudyPointRow>("StudyPoint").implement({
  description: "A token pair in the scatter of two members' deltas.",
  fields: (t) => ({
    x: t.exposeFloat("x", { description: "Delta on the first member." }),
    y: t.exposeFloat("y", { description: "Delta on the second member." }),
    verdict: t.expose("verdict", { type: Verdict, description: "Whether the second corrects the first." }),
    tokenPairId: t.id({
      description: "The token pair, for `node`.",
      resolve: ({ tokenPairId }) => globalId("TokenPair", tokenPairId),
    }),
    failureCaseId: t.id({
      description: "The failure case, for `node`.",
      resolve: ({ failureCaseId }) => globalId("FailureCase", failureCaseId),
    }),
    xAttributionId: t.id({
      description: "The attribution on the first member, for `node`.",
      resolve: ({ xAttributionId }) => globalId("Attribution", xAttributionId),
    }),
    yAttributionId: t.id({
      description: "The attribution on the second member, for `node`.",
      resolve: ({ yAttributionId }) => globalId("Attribution", yAttributionId),
    }),
    key: t.exposeString("key", { description: "Key of the failure case." }),
    benchmark: t.exposeString("benchmark", { description: "Benchmark of the failure case." }),
    target: t.exposeString("targetText", { description: "Text of the wrong token." }),
    contrast: t.exposeString("contrastText", { description: "Text of the right token." }),
  }),
});

const segment = (what: string) =>
  ({ nullable: true, description: `Mean sum over ${what}; null when there are none.` }) as const;

const SegmentMeans = builder.objectRef<SegmentsRow>("StudySegments").implement({
  description: "Mean sums of normalised relevance at the embeddings, by segment, over the pairs of a verdict.",
  fields: (t) => ({
    verdict: t.expose("verdict", { type: Verdict, nullable: true, description: "The verdict; null for all pairs." }),
    count: t.exposeInt("count", { description: "Pairs in the means." }),
    instruction: t.float({
      ...segment("Instruction tokens"),
      resolve: ({ means }) => means?.instruction ?? null,
    }),
    query: t.float({
      ...segment("Query tokens"),
      resolve: ({ means }) => means?.query ?? null,
    }),
    answer: t.float({
      ...segment("Answer tokens"),
      resolve: ({ means }) => means?.answer ?? null,
    }),
    special: t.float({
      ...segment("Special tokens"),
      resolve: ({ means }) => means?.special ?? null,
    }),
  }),
});

const MemberSummary = builder.objectRef<MemberRow>("StudyMember").implement({
  description: "What a study says of one member.",
  fields: (t) => ({
    label: t.exposeString("label", { description: "The member's label." }),
    position: t.exposeFloat("position", { description: "Where it stands in the series." }),
    attributed: t.exposeInt("attributed", { description: "Pairs that were attributed on it." }),
    delta: t.field({
      type: Interval,
      nullable: true,
      description: "Mean delta over the pairs that every member has; null when there are none.",
      resolve: ({ delta }) => delta,
    }),
    failing: t.exposeFloat("failing", {
      nullable: true,
      description: "Share of those pairs with delta above 1; null when there are none.",
    }),
    segments: t.field({
      type: [SegmentMeans],
      description: "Over all pairs attributed on it, then by verdict.",
      complexity: { field: 1, multiplier: 4 },
      resolve: ({ segments }) => [...segments],
    }),
  }),
});

const Source = builder.objectRef<StudySourceRow>("StudySource").implement({
  description: "Pairs of a study that are failures of one model.",
  fields: (t) => ({
    model: t.exposeString("model", { description: "The model's label in the series; its name when it is no member." }),
    pairs: t.exposeInt("pairs", { description: "Pairs of the study that are its failures." }),
    clear: t.exposeInt("clear", { description: "Those with delta above 1 on it." }),
  }),
});

const Summary = builder.objectRef<StudySummaryRow>("StudySummary").implement({
  description: "What a study says of its members, and of two of them against each other.",
  fields: (t) => ({
    x: t.exposeString("x", { description: "Label of the first of the two." }),
    y: t.exposeString("y", { description: "Label of the second of the two." }),
    pairs: t.exposeInt("pairs", { description: "Pairs of the study." }),
    sources: t.field({
      type: [Source],
      description: "Whose failures the pairs are, most pairs first: how they were selected.",
      complexity: { field: 1, multiplier: 4 },
      resolve: ({ sources }) => [...sources],
    }),
    both: t.exposeInt("both", { description: "Pairs attributed on both." }),
    all: t.exposeInt("all", { description: "Pairs attributed on every member." }),
    corrected: t.int({ description: "Pairs with x > 1 and y < -1.", resolve: ({ counts }) => counts.corrected }),
    notCorrected: t.int({ description: "Pairs with y > 1.", resolve: ({ counts }) => counts.not_corrected }),
    undecided: t.int({ description: "All other pairs that both have.", resolve: ({ counts }) => counts.undecided }),
    members: t.field({
      type: [MemberSummary],
      description: "In the order of the series.",
      complexity: { field: 1, multiplier: 10 },
      resolve: ({ members }) => [...members],
    }),
  }),
});

const MovedPair = builder.objectRef<StudyMovementRow["most"][number]>("StudyMovedPair").implement({
  description: "A token pair whose relevance lies elsewhere on another member.",
  fields: (t) => ({
    tokenPairId: t.id({
      description: "The token pair, for `node`.",
      resolve: ({ tokenPairId }) => globalId("TokenPair", tokenPairId),
    }),
    key: t.exposeString("key", { description: "Key of the failure case." }),
    x: t.exposeFloat("x", { description: "Delta on the member that is compared." }),
    y: t.exposeFloat("y", { description: "Delta on the other." }),
    moved: t.exposeFloat("moved", { description: "The part of its relevance that lies elsewhere, 0 to 1." }),
  }),
});

const Movement = builder.objectRef<StudyMovementRow>("StudyMovement").implement({
  description: "What changes from one member of a study to another.",
  fields: (t) => ({
    from: t.exposeString("from", { description: "Label of the member that is compared." }),
    label: t.exposeString("label", { description: "Label of the other." }),
    pairs: t.exposeInt("pairs", { description: "Pairs attributed on both." }),
    corrected: t.int({
      description: "Failures that are the first member's own: delta above 1 on it, below -1 on the other.",
      resolve: ({ counts }) => counts.corrected,
    }),
    notCorrected: t.int({ description: "Failures of both.", resolve: ({ counts }) => counts.not_corrected }),
    undecided: t.int({ description: "All other pairs.", resolve: ({ counts }) => counts.undecided }),
    moved: t.field({
      type: Interval,
      nullable: true,
      description: "The part of the relevance at the embeddings that lies elsewhere, or under the other sign; null " +
        "without pairs.",
      resolve: ({ moved }) => moved,
    }),
    most: t.field({
      type: [MovedPair],
      description: "The pairs whose relevance moved most.",
      complexity: { field: 1, multiplier: 5 },
      resolve: ({ most }) => [...most],
    }),
  }),
});

export const Study = builder.drizzleNode("studies", {
  name: "Study",
  description: "The same token pairs attributed on every member of a series of models.",
  id: { column: (study) => study.id },
  select: { columns: {} },
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name; unique." }),
    rule: t.expose("rule", { type: Rule, description: "Backward rule of its attributions." }),
    series: t.relation("series", { type: ModelSeries, description: "The series of models." }),
    job: t.relation("job", { type: Job, nullable: true, description: "The job that last attributed its pairs." }),
    pairs: t.int({
      description: "Pairs of the study.",
      select: { columns: { id: true } },
      resolve: ({ id }, _args, { db }) => db.$count(studyPairs, eq(studyPairs.studyId, id)),
    }),
    summary: t.field({
      type: Summary,
      description: "Counts, mean deltas with bootstrap intervals and segments. Computed when it is asked for.",
      complexity: { field: 500, multiplier: 1 },
      args: {
        x: t.arg.string({ description: "Label of a member; the first when nothing is said." }),
        y: t.arg.string({ description: "Label of another; the last when nothing is said." }),
        seed: t.arg.int({ required: true, defaultValue: 1, description: "Seed of the bootstrap." }),
      },
      select: { columns: { id: true } },
      resolve: ({ id }, { x, y, seed }, { services }) =>
        services.summariseStudy(id, { x: x ?? undefined, y: y ?? undefined, seed }),
    }),
    movements: t.field({
      type: [Movement],
      description:
        "What changes from one member to each other: which failures are its own, and how far relevance moves. " +
        "Computed when it is asked for.",
      complexity: { field: 500, multiplier: 10 },
      args: {
        from: t.arg.string({ description: "Label of a member; the first when nothing is said." }),
        seed: t.arg.int({ required: true, defaultValue: 1, description: "Seed of the bootstrap." }),
      },
      select: { columns: { id: true } },
      resolve: ({ id }, { from, seed }, { services }) => services.studyMovements(id, { from: from ?? undefined, seed }),
    }),
    points: t.connection(
      {
        type: StudyPoint,
        description: "The scatter of two members' deltas: the pairs that both have, oldest pair first.",
        complexity: pageCost,
        args: {
          x: t.arg.string({ description: "Label of a member; the first when nothing is said." }),
          y: t.arg.string({ description: "Label of another; the last when nothing is said." }),
          verdict: t.arg({ type: Verdict, description: "Only points of this verdict." }),
        },
        select: { columns: { id: true } },
        resolve: ({ id }, args, { services }) => {
          const ask = ({ before, after, limit, inverted }: ResolveCursorConnectionArgs) =>
            services.studyPoints(id, {
              x: args.x ?? undefined,
              y: args.y ?? undefined,
              verdict: args.verdict ?? undefined,
              after: pairOf(after),
              before: pairOf(before),
              limit,
              backwards: inverted,
            });
          return resolveCursorConnection(
            { args, maxSize: MAX_PAGE, toCursor: ({ tokenPairId }: StudyPointRow) => btoa(`pair:${tokenPairId}`) },
            ask,
          );
        },
      },
      { name: "StudyPointConnection", description: "A page of a scatter." },
      { name: "StudyPointEdge", description: "A point with its cursor." },
    ),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was first asked for." }),
  }),
});

function pairOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  let text = "";
  try {
    text = atob(cursor);
  } catch { /* no base64 */ }
  const id = /^pair:(\d{1,9})$/.exec(text)?.[1];
  if (id !== undefined) return Number(id);
  throw new InputError(`${JSON.stringify(cursor)} is no cursor`, "points", "give one that this list returned");
}

builder.queryField("studies", (t) =>
  t.drizzleConnection(
    {
      type: Study,
      description: "Studies, newest first.",
      complexity: pageCost,
      args: { name: t.arg.string({ description: "Only the one of this name." }) },
      totalCount: (_parent, { name }, { db }) => db.$count(studies, name == null ? undefined : eq(studies.name, name)),
      resolve: (query, _parent, { name }, { db }) =>
        db.query.studies.findMany(query({ where: name == null ? {} : { name }, orderBy: { id: "desc" } })),
    },
    { name: "StudyConnection", description: "A page of studies." },
    { name: "StudyEdge", description: "A study with its cursor." },
  ));

const RunStudyInput = builder.inputType("RunStudyInput", {
  description: "Which pairs to attribute on which models. Without pairs a study goes on with those it has, and a new " +
    "one takes the clean pairs of its members' cases.",
  fields: (t) => ({
    series: t.string({ required: true, description: "Name of the series." }),
    name: t.string({
      description: "The study's name; made of series and rule when nothing is said. A study of this name goes on.",
      validate: z.string().min(1).max(200),
    }),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    tokenPairIds: t.globalIDList(pairIds("The token pairs.")),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    benchmark: t.string({ description: "Instead of ids: the clean pairs of this benchmark." }),
    model: t.string({ description: "Instead of ids: the clean pairs of this model's cases." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("runStudy", (t) =>
  t.drizzleField({
    type: Job,
    description: "Attributes the same token pairs on every member of a series. What is stored stays.",
    errors: { types: [InputError], union: { name: "RunStudyResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: RunStudyInput, required: true, description: "What to study." }) },
    resolve: async (query, _parent, { input }, context) => {
      const { benchmark, model } = input;
      const chosen = [input.tokenPairIds, input.filter, input.cases].some((choice) => choice != null);
      if (chosen && (benchmark ?? model) != null) {
        throw new InputError(
          "it takes pairs or conditions, not both",
          "tokenPairIds, filter, cases",
          "leave one of them out",
        );
      }
      const id = await context.services.runStudy({
        series: input.series,
        name: input.name ?? undefined,
        rule: input.rule ?? "attnlrp",
        pairs: chosen
          ? { tokenPairIds: await chosenPairs<never>(input, context) }
          : benchmark != null || model != null
          ? { benchmark: benchmark ?? null, model: model ?? null }
          : null,
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
