/**
 * Answers of outside annotators, people or models: JSON Lines `{key, position, contrast, decision, reason}` as the
 * annotation prompt asks for them. Lines of prose around them are reported, the JSON lines land.
 */
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import type { Format } from "./format.ts";
import { parseRecord } from "./parse_record.ts";

const line = z.looseObject({
  key: z.string().min(1),
  decision: z.enum(["pair", "exclude"]).default("pair"),
  position: z.int().min(0).nullish(),
  contrast: z.union([z.object({ id: z.int().min(0) }), z.object({ text: z.string().min(1) })]).nullish(),
  reason: z.string().default(""),
  annotator: z.string().min(1).optional(),
});

export const annotations: Format = {
  accepts: (name) => name.endsWith(".jsonl"),
  // Prose may stand around the lines.
  cut: () => "lines",
  recordsNameModels: true,
  read: (record, where, facts) => {
    const { key, decision, position, contrast, reason, annotator } = parseRecord(line, record, where, "an annotation");
    const name = facts.annotator ?? annotator;
    if (name === undefined) throw new InputError("nobody says who annotated", where, "give --annotator NAME");
    return [{
      kind: "annotation",
      key,
      annotation: { annotator: name, decision, position: position ?? null, contrast: contrast ?? null, reason },
    }];
  },
};
