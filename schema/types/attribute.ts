/** The mutation that attributes. */
import { builder } from "./builder.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job, Selection } from "./job.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";

const AttributeInput = builder.inputType("AttributeInput", {
  description: "What to attribute: `tokenPairIds`, a `selection`, a `filter` or `cases`.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; those that have an attribution of the rule keep it.")),
    selection: t.field({ type: Selection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("attribute", (t) =>
  t.drizzleField({
    type: Job,
    description: "Computes attributions of token pairs.",
    errors: { types: [InputError], union: { name: "AttributeResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: AttributeInput, required: true, description: "What to attribute." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.attribute({
        tokenPairIds: await chosenPairs(input, context),
        rule: input.rule ?? "attnlrp",
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
