/**
 * EvalPlus and HumanEval: samples (`{task_id, solution}` or `{task_id, completion}` lines), HumanEval's results (samples
 * with `passed`), EvalPlus's results (`eval_results.json`), and folders of solutions (`HumanEval_0/0.py`). Prompts and
 * tests stand in the benchmark's file only. A solution passes when its base tests and its plus tests pass.
 */
import { basename, dirname, extname } from "node:path";
import { z } from "zod";
import { InputError, type JsonObject } from "../../gpu/mod.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format, Logged, LoggedResponse } from "./format.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { parseRecord } from "./parse_record.ts";

const sample = z.looseObject({
  task_id: z.string(),
  solution: z.string().optional(),
  completion: z.string().optional(),
  passed: z.boolean().optional(),
  result: z.string().optional(),
});
const status = z.string().nullish();
const result = z.looseObject({
  solution: z.string().nullish(),
  base_status: status,
  plus_status: status,
});
const results = z.looseObject({ eval: z.record(z.string(), z.unknown()) });

/** What EvalPlus asks chat models, from its own code generation; the problem follows in a block. */
const INSTRUCTION = "Please provide a self-contained Python script that solves the following problem in a markdown " +
  "code block:";

export const evalplus: Format = {
  accepts: (name) => /\.(jsonl|json|py)$/.test(name),
  cut: (name) => {
    const extension = extname(name);
    return extension === ".py" || extension === ".json" ? "whole" : extension === ".jsonl" ? "lines" : undefined;
  },
  modelNames: (_path, name) => {
    // `Qwen--Qwen3-0.6B_hf_temp_0.0.eval_results.json`
    const stem = basename(extname(name) === ".py" ? dirname(dirname(name)) : name)
      .replace(/([._]eval_results)?(\.raw)?(_results)?\.jsonl?$/, "");
    return Promise.resolve(
      [stem, stem.replace(/_(hf|vllm|openai)_temp_.*$/, "")].map((one) => one.replaceAll("--", "/")),
    );
  },
  needsItems: true,
  read: (record, where, facts) => {
    if (typeof record === "string") return [solutionFile(record, where, facts)];
    if (record !== null && typeof record === "object" && "eval" in record) return readResults(record, where, facts);
    const { task_id, solution, completion, passed, result } = parseRecord(
      sample,
      record,
      where,
      "a sample of EvalPlus",
    );
    const answer = solution ?? completion;
    if (answer === undefined) throw new InputError("there is no solution", where, "give solution or completion");
    const logged = passed === undefined ? null : {
      passed,
      ...(passed ? {} : { reason: result ?? "failed" }),
      detail: { passed, result: result ?? null },
    };
    return [responseOf(task_id, answer, { where, facts, logged, chat: solution !== undefined })];
  },
};

/** `HumanEval_0/0.py` */
function solutionFile(text: string, where: string, facts: FileFacts): Logged {
  const task = basename(dirname(where)).replace(/_(\d+)$/, "/$1");
  return responseOf(task, text, { where, facts, logged: null, chat: true });
}

function readResults(record: object, where: string, facts: FileFacts): readonly Logged[] {
  const { eval: byTask } = parseRecord(results, record, where, "results of EvalPlus");
  return Object.entries(byTask).flatMap(([task, entries]) => {
    // Older files hold statuses only; their solutions lie in files beside them.
    if (!Array.isArray(entries)) return [{ kind: "skipped", reason: "no_solution" } as const];
    return entries.map((entry, index): Logged => {
      const place = `${where} (${task}[${index}])`;
      const { solution, base_status, plus_status } = parseRecord(result, entry, place, "results of EvalPlus");
      if (typeof solution !== "string") return { kind: "skipped", reason: "no_solution" };
      return responseOf(task, solution, {
        where: place,
        facts,
        logged: loggedOf(base_status ?? null, plus_status ?? null),
        chat: true,
      });
    });
  });
}

function loggedOf(base: string | null, plus: string | null): LoggedResponse["logged"] {
  const detail = { base_status: base, plus_status: plus };
  if (base === null) return { passed: null, detail };
  const passed = base === "pass" && (plus === null || plus === "pass");
  return { passed, ...(passed ? {} : { reason: `base tests: ${base}, plus tests: ${plus ?? "not run"}` }), detail };
}

function responseOf(
  taskId: string,
  text: string,
  { where, facts, logged, chat }: {
    readonly where: string;
    readonly facts: FileFacts;
    readonly logged: LoggedResponse["logged"];
    /** The solution is a whole script that a chat model was asked for; else it goes on with the prompt. */
    readonly chat: boolean;
  },
): Logged {
  const item: JsonObject | undefined = facts.items?.find(taskId);
  const problem = item?.["prompt"];
  if (item === undefined || typeof problem !== "string") {
    throw new InputError(`the items have no task "${taskId}"`, where, "give the file of the same benchmark as items");
  }
  const prompt = chat ? `${INSTRUCTION}\n\`\`\`python\n${problem.trim()}\n\`\`\`` : problem;
  return {
    kind: "response",
    response: {
      model: undefined,
      benchmark: facts.benchmark,
      task: taskId,
      docHash: canonicalHash({ task_id: taskId, prompt: problem }),
      promptHash: textHash(prompt),
      filter: "none",
      // Several samples of one task are told apart by what they say.
      sample: textHash(text).slice(0, 8),
      prompt: { kind: chat ? "user" : "plain", text: prompt },
      completion: text,
      item: checkItemOf(item),
      logged,
      instructionPhrases: phrasesOf(item),
      metadata: { from: "evalplus" },
    },
  };
}
