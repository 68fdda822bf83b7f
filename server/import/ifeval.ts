/**
 * IFEval response files: `{prompt, response}` lines, or the evaluation's own output, which adds
 * `follow_all_instructions`, `follow_instruction_list` and `instruction_id_list`. The instructions' arguments stand in the
 * benchmark's file only.
 */
import { basename } from "node:path";
import { z } from "zod";
import { textHash } from "../base/canonical_hash.ts";
import type { Format, LoggedVerdict } from "./format.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { parseRecord } from "./parse_record.ts";

const line = z.looseObject({
  prompt: z.string(),
  response: z.string(),
  key: z.union([z.int(), z.string()]).optional(),
  follow_all_instructions: z.boolean().optional(),
  follow_instruction_list: z.array(z.boolean()).optional(),
  instruction_id_list: z.array(z.string()).optional(),
});

export const ifeval: Format = {
  accepts: (name) => name.endsWith(".jsonl"),
  // Files are called by their model, with `/` written as `__`; evaluations end in strict or loose.
  modelNames: (_path, name) =>
    Promise.resolve([basename(name).replace(/([._](strict|loose))?\.jsonl?$/, "").replaceAll("__", "/")]),
  read: (record, where, facts) => {
    const { prompt, response, key, ...verdict } = parseRecord(line, record, where, "an answer of IFEval");
    const known = facts.items?.find(prompt);
    const own = checkItemOf({ ...record as object, prompt });
    const hash = textHash(prompt);
    const passed = verdict.follow_all_instructions;
    const ids = verdict.instruction_id_list ?? [];
    const broken = (verdict.follow_instruction_list ?? []).flatMap((followed, index) =>
      followed ? [] : [ids[index] ?? `instruction ${index + 1}`]
    );
    return [{
      kind: "response",
      response: {
        model: undefined,
        benchmark: facts.benchmark,
        task: String(key ?? known?.["key"] ?? hash.slice(0, 8)),
        // The key must not change when the benchmark's file is given later.
        label: hash.slice(0, 8),
        docHash: hash,
        promptHash: hash,
        filter: "none",
        prompt: { kind: "user", text: prompt },
        completion: response,
        item: known ? checkItemOf(known) : own,
        logged: passed === undefined ? unmatched(facts.items !== undefined && known === undefined && own === null) : {
          passed,
          ...(passed ? {} : { reason: broken.length > 0 ? `not followed: ${broken.join(", ")}` : "not all followed" }),
          // The strict and the loose evaluation of a response stand in two files.
          ...(/(?:^|[._])loose\.jsonl?$/.test(facts.name) ? { basis: "log_loose" as const } : {}),
          detail: { follow_all_instructions: passed, follow_instruction_list: verdict.follow_instruction_list ?? null },
        },
        instructionPhrases: phrasesOf(known),
        metadata: { from: "ifeval" },
      },
    }];
  },
};

/** Why a response of a file with items has no verdict. */
function unmatched(isUnknown: boolean): LoggedVerdict | null {
  return isUnknown ? { passed: null, reason: "its prompt is in no item of the file that was given", detail: {} } : null;
}
