import { complexityFromQuery } from "@pothos/plugin-complexity";
import { parse, validate } from "graphql";
import { expect, test } from "vitest";
import { MAX_COST } from "../../schema/types/builder.ts";
import { schema } from "../../schema/schema.ts";
import { TOOL_DOCUMENTS } from "./documents.ts";

/** The most that a tool asks for. */
const INPUTS: Readonly<Record<string, object>> = {
  ToolExplain: { contrast: { id: 0 } },
  ToolMask: { tokenPairId: "", positions: [0] },
  ToolPlan: { work: "MASK" },
};
const VARIABLES = { first: 50, from: 0, filter: {}, id: "", case: "", pair: "", rule: "ATTNLRP" };

test.each(TOOL_DOCUMENTS.map((document) => [/\w+ (\w+)/.exec(document)![1]!, document] as const))(
  "%s is valid, and may be asked for by its cost",
  (name, document) => {
    const parsed = parse(document);
    expect(validate(schema, parsed).map(String)).toEqual([]);
    const variables = { ...VARIABLES, input: INPUTS[name] ?? {} };
    expect(complexityFromQuery(parsed, { schema, variables, ctx: {} }).complexity).toBeLessThan(
      MAX_COST / 2,
    );
  },
);
