/** Readers' labels (docs/labelling.md): JSON Lines `{key, outcome, pattern, note}` about failure cases that are stored. */
import { InputError } from "../../gpu/mod.ts";
import { labelLine, labelOf } from "../diagnosis/labels.ts";
import type { Format } from "./format.ts";
import { parseRecord } from "./parse_record.ts";

export const labels: Format = {
  accepts: (name) => name.endsWith(".jsonl"),
  // Prose may stand around the lines.
  cut: () => "lines",
  recordsNameModels: true,
  read: (record, where, facts) => {
    const read = parseRecord(labelLine, record, where, "a label");
    const reader = facts.annotator ?? read.reader;
    if (reader === undefined) throw new InputError("nobody says who read it", where, "give --annotator NAME");
    const { key, contrast = undefined } = read;
    return [{ kind: "label", key, label: { reader, contrast, ...labelOf(read, where) } }];
  },
};
