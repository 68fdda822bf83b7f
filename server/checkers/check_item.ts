/** What checks answers, as culprit/1 writes it: items of benchmarks and verdicts, in the shapes of schema/tables/values.ts. */
import { z } from "zod";
import { type CheckItem, MATH_CONVENTIONS, type Verdict } from "../../schema/tables/values.ts";

const json = z.record(z.string(), z.unknown());

export const checkItem: z.ZodType<CheckItem> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("ifeval"),
    prompt: z.string(),
    instruction_id_list: z.array(z.string()).min(1).max(1000),
    kwargs: z.array(json).max(1000),
  }),
  z.strictObject({
    kind: z.literal("math"),
    answer: z.string(),
    convention: z.enum(MATH_CONVENTIONS).exactOptional(),
  }),
  z.strictObject({ kind: z.literal("gsm8k"), answer: z.string() }),
  z.strictObject({
    kind: z.literal("humaneval"),
    task_id: z.string(),
    prompt: z.string(),
    entry_point: z.string(),
    test: z.string(),
    begun: z.string().exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("evalplus"),
    task_id: z.string(),
    prompt: z.string(),
    entry_point: z.string(),
    canonical_solution: z.string(),
    base_input: z.string(),
    plus_input: z.string(),
    atol: z.number(),
    begun: z.string().exactOptional(),
  }),
  z.strictObject({ kind: z.literal("gaia2"), expected: json }),
]);

const written = z.strictObject({
  passed: z.boolean().nullable(),
  reason: z.string().optional(),
  detail: json.optional(),
});

/** Without the fields that are not there. */
export const verdict = written.transform(({ passed, reason, detail }): Verdict => ({
  passed,
  ...(reason === undefined ? {} : { reason }),
  ...(detail === undefined ? {} : { detail }),
}));
