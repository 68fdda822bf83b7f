/** The attributions of a token pair on every model that it was attributed on. */
import { Attribution } from "./attribution.ts";
import { builder } from "./builder.ts";
import { TokenPair } from "./token_pair.ts";

builder.drizzleObjectFields(TokenPair, (t) => ({
  memberAttributions: t.relation("attributions", {
    type: Attribution,
    description: "The pair's attributions on every model: that of its case, and members of series that studies ran, " +
      "200 at most, oldest first.",
    complexity: { field: 1, multiplier: 5 },
    query: { orderBy: { id: "asc" }, limit: 200 },
  }),
}));
