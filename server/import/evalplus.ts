/**
 * EvalPlus and HumanEval: samples (`{task_id, solution}` or `{task_id, completion}` lines), HumanEval's results (samples
 * with `passed`), EvalPlus's results (`eval_results.json`), and folders of solutions (`HumanEval_0/0.py`). Prompts and
 * tests stand in the benchmark's file only. A solution passes when its base tests and its plus tests pass.
 */
import { basename, dirname, extname } from "node:path";
import { z } from "zod";
import { InputError, type JsonObject } from "../../gpu/mod.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format, Logged, LoggedPrompt, LoggedResponse } from "./format.ts";
import { type Beside, chooseFiles, loggedOf, NOTHING, readBeside, result } from "./evalplus_beside.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { EVALPLUS_INSTRUCTION, PROMPT_TEMPLATES } from "../benchmarks/prompt_templates.ts";
import { parseRecord } from "./parse_record.ts";

const sample = z.looseObject({
  task_id: z.string(),
  solution: z.string().optional(),
  completion: z.string().optional(),
  passed: z.boolean().optional(),
  result: z.string().optional(),
});
const results = z.looseObject({ eval: z.record(z.string(), z.unknown()) });

/** How EvalPlus's decoders that render chats themselves begin the answer (codegen.py, provider/utility.py). */
const BEGUN =
  "Below is a Python script with a self-contained function that solves the problem and passes corresponding " +
  "tests:\n```python\n";

export const evalplus: Format = {
  accepts: (name) => /\.(jsonl|json|py)$/.test(name),
  cut: (name) => extname(name) === ".py" ? "whole" : undefined,
  choose: chooseFiles,
  beside: readBeside,
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
    const beside = (facts.beside as Beside | undefined) ?? NOTHING;
    if (typeof record === "string") return [solutionFile(record, where, facts)];
    if (record !== null && typeof record === "object" && "eval" in record) return readResults(record, where, facts);
    const { task_id, solution, completion, passed, result: said } = parseRecord(
      sample,
      record,
      where,
      "a sample of EvalPlus",
    );
    const answer = solution ?? completion;
    if (answer === undefined) throw new InputError("there is no solution", where, "give solution or completion");
    const logged = passed === undefined ? beside.verdictOf(task_id, answer) : {
      passed,
      ...(passed ? {} : { reason: said ?? "failed" }),
      detail: { passed, result: said ?? null },
    };
    const asked = solution === undefined || beside.base ? "plain" : askedBy(facts.name);
    return [responseOf(task_id, answer, { where, facts, logged, asked, wholeText: solution !== undefined })];
  },
};

/** The file's name tells who asked: decoders on this machine render the chat and begin the answer, interfaces do not. */
function askedBy(name: string): Asked {
  return /_(?:hf|vllm)_temp_/.test(name) ? "begun" : "chat";
}

/** `HumanEval_0/0.py` */
function solutionFile(text: string, where: string, facts: FileFacts): Logged {
  const task = taskOfFolder(facts.name);
  const logged = ((facts.beside as Beside | undefined) ?? NOTHING).verdictOf(task, text);
  return responseOf(task, text, { where, facts, logged, asked: askedBy(facts.name), wholeText: true });
}

function taskOfFolder(name: string): string {
  return basename(dirname(name)).replace(/_(\d+)$/, "/$1");
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
        asked: askedBy(facts.name),
        wholeText: true,
      });
    });
  });
}

/** How the problem was put: as it is, in a chat, or in a chat whose answer was begun. */
type Asked = "plain" | "chat" | "begun";

function responseOf(
  taskId: string,
  text: string,
  { where, facts, logged, asked, wholeText }: {
    readonly where: string;
    readonly facts: FileFacts;
    readonly logged: LoggedResponse["logged"];
    readonly asked: Asked;
    /** The text is a whole script; else it goes on with the prompt. */
    readonly wholeText: boolean;
  },
): Logged {
  const row: JsonObject | undefined = facts.items?.find(taskId);
  const item = row && checkItemOf(row);
  const problem = item?.kind === "humaneval" || item?.kind === "evalplus" ? item.prompt : row?.["prompt"];
  if (row === undefined || typeof problem !== "string") {
    throw new InputError(`the items have no task "${taskId}"`, where, "give the file of the same benchmark as items");
  }
  const { prompt, hashed } = promptOf(problem, asked);
  const begun = asked === "begun" ? { begun: BEGUN } : {};
  const start = `${problem.trim()}\n`;
  const goesOn = asked === "plain" && wholeText && text.startsWith(start);
  return {
    kind: "response",
    response: {
      model: undefined,
      benchmark: facts.benchmark,
      task: taskId,
      docHash: canonicalHash({ task_id: taskId, prompt: problem }),
      promptHash: textHash(hashed),
      filter: "none",
      // Several samples of one task are told apart by what they say.
      sample: textHash(text).slice(0, 8),
      prompt,
      completion: goesOn ? text.slice(start.length) : text,
      item: item && (item.kind === "humaneval" || item.kind === "evalplus") ? { ...item, ...begun } : item ?? null,
      logged,
      instructionPhrases: phrasesOf(row),
      metadata: { from: "evalplus" },
    },
  };
}

function promptOf(problem: string, asked: Asked): { readonly prompt: LoggedPrompt; readonly hashed: string } {
  if (asked === "plain") return { prompt: { kind: "plain", text: problem }, hashed: problem };
  if (asked === "chat") {
    const text = PROMPT_TEMPLATES.evalplus(problem);
    return { prompt: { kind: "user", text }, hashed: text };
  }
  const text = `${EVALPLUS_INSTRUCTION}\n\`\`\`\n${problem.trim()}\n\`\`\`\n`;
  const messages = [{ role: "user", content: text }, { role: "assistant", content: BEGUN }];
  return { prompt: { kind: "chat", messages }, hashed: text + BEGUN };
}
