/** Label: what a person says of a token pair, and how far readers and the classifier agree. */
import { eq } from "drizzle-orm";
import { z } from "zod";
import type { AgreementRow, LabelAgreementRow } from "../services/diagnoses.ts";
import { labels } from "../tables/analysis_tables.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { Outcome, Pattern } from "./outcome.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";
import { tokenPairs } from "../tables/tables.ts";
import { TokenPair } from "./token_pair.ts";

export const Label = builder.drizzleNode("labels", {
  name: "Label",
  description: "What a person says of a token pair; the classifier never changes it.",
  id: { column: (label) => label.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The pair it is about." }),
    reader: t.exposeString("reader", { description: "Who says it; one label a pair." }),
    outcome: t.expose("outcome", { type: Outcome, description: "Where the failure shows." }),
    pattern: t.expose("pattern", { type: Pattern, nullable: true, description: "How it came about; null for none." }),
    note: t.exposeString("note", { nullable: true, description: "What they add, in their words." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was first said." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  labels: t.relation("labels", {
    type: Label,
    description: "What people say of it, 100 at most, oldest first.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "asc" }, limit: 100 },
  }),
}));

const LabelInput = builder.inputType("LabelTokenPairInput", {
  description: "What a person says of a token pair; docs/labelling.md says how to decide.",
  fields: (t) => ({
    tokenPairId: t.globalID({ for: TokenPair, required: true, description: "The pair." }),
    reader: t.string({ required: true, description: "Who says it.", validate: z.string().trim().min(1).max(200) }),
    outcome: t.field({ type: Outcome, required: true, description: "Where the failure shows." }),
    pattern: t.field({ type: Pattern, description: "How it came about; left out for none." }),
    note: t.string({ description: "What they add.", validate: z.string().max(2000) }),
  }),
});

builder.mutationField("labelTokenPair", (t) =>
  t.drizzleField({
    type: Label,
    description: "Stores what a person says of a token pair; saying something else later replaces it.",
    errors: {
      types: [InputError],
      union: { name: "LabelTokenPairResult", description: "The label, or what was wrong." },
    },
    args: { input: t.arg({ type: LabelInput, required: true, description: "What they say." }) },
    resolve: async (query, _parent, { input }, { db }) => {
      const { reader, outcome } = input;
      const pattern = input.pattern ?? null;
      const tokenPairId = Number(input.tokenPairId.id);
      if (outcome === "nc_ia_ag" && pattern !== null) {
        throw new InputError(
          "what nothing explains has no pattern",
          "pattern",
          "leave it out, or give another outcome",
        );
      }
      const [pair] = await db.select({ id: tokenPairs.id }).from(tokenPairs).where(eq(tokenPairs.id, tokenPairId));
      if (!pair) {
        throw new InputError(`there is no token pair ${tokenPairId}`, "tokenPairId", "name one that is stored");
      }
      const said = { outcome, pattern, note: input.note ?? null };
      const [row] = await db.insert(labels).values({ tokenPairId, reader: reader.trim(), ...said })
        .onConflictDoUpdate({ target: [labels.tokenPairId, labels.reader], set: said }).returning({ id: labels.id });
      return found(await db.query.labels.findFirst(query({ where: { id: found(row).id } })));
    },
  }));

const Agreement = builder.objectRef<AgreementRow>("Agreement").implement({
  description: "Agreement beyond chance: Cohen's kappa.",
  fields: (t) => ({
    observed: t.exposeFloat("observed", { description: "Share of pairs on which both say the same." }),
    expected: t.exposeFloat("expected", { description: "Share to be expected by chance." }),
    kappa: t.exposeFloat("kappa", {
      nullable: true,
      description: "(observed - expected) / (1 - expected); null where both always say one and the same.",
    }),
  }),
});

const LabelAgreement = builder.objectRef<LabelAgreementRow>("LabelAgreement").implement({
  description: "How far two readers, or a reader and the classifier, agree.",
  fields: (t) => ({
    one: t.exposeString("one", { nullable: true, description: "A reader; null for the classifier." }),
    other: t.exposeString("other", { description: "Another reader." }),
    pairs: t.exposeInt("pairs", { description: "Token pairs that both read." }),
    outcome: t.field({ type: Agreement, description: "On the outcome.", resolve: ({ outcome }) => outcome }),
    pattern: t.field({
      type: Agreement,
      description: "On the pattern; none counts as one.",
      resolve: ({ pattern }) => pattern,
    }),
    urt: t.field({
      type: Agreement,
      description: "On whether relevant tokens are underweighted (URT, or both).",
      resolve: ({ urt }) => urt,
    }),
    oit: t.field({
      type: Agreement,
      description: "On whether irrelevant tokens are overweighted (OIT, or both).",
      resolve: ({ oit }) => oit,
    }),
  }),
});

builder.queryField("labelAgreement", (t) =>
  t.field({
    type: [LabelAgreement],
    description: "Agreement of readers with the classifier, and of each two readers, over the pairs that both read; " +
      "the first 20 readers by name.",
    complexity: { field: 50, multiplier: 5 },
    args: {
      benchmark: t.arg.string({ description: "Of cases of one benchmark only." }),
      rule: t.arg({
        type: Rule,
        required: true,
        defaultValue: "attnlrp",
        description: "Rule of the diagnoses that labels are compared with.",
      }),
    },
    resolve: (_parent, { benchmark, rule }, context) =>
      context.services.labelAgreement({ benchmark: benchmark ?? undefined, rule }),
  }));
