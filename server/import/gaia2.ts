/**
 * GAIA2 traces of Meta's Agents Research Environments (format `are_simulation_v1`), one case a scenario's run: the chat
 * up to the turn that committed the wrong action, or up to the last turn where that is not to be seen, and this turn as
 * the completion. Read are full traces (`world_logs`), "lite" traces (histories by agent), result rows with a trace in
 * `data`, and the calls of `trace.jsonl`, each an answer of its own.
 */
import { basename, dirname } from "node:path";
import { z } from "zod";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage, CheckItem } from "../../schema/tables/values.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format, Logged, LoggedResponse } from "./format.ts";
import { type Action, readAction } from "../checkers/gaia2/action.ts";
import { compareActions } from "../checkers/gaia2.ts";
import { firstWrongAction } from "./gaia2_actions.ts";
import { readCall } from "./gaia2_calls.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { parseRecord, parseText } from "./parse_record.ts";

const trace = z.looseObject({
  world_logs: z.array(z.string()),
  events: z.array(z.unknown()).default([]),
  completed_events: z.array(z.unknown()).default([]),
  metadata: z.looseObject({
    definition: z.looseObject({ scenario_id: z.string(), run_number: z.int().nullish() }),
    simulation: z.looseObject({ model_id: z.string().nullish() }).nullish(),
    annotation: z.looseObject({ validation_decision: z.string().nullish(), comment: z.string().nullish() }).nullish(),
  }),
});
const message = z.looseObject({ role: z.string(), content: z.unknown() });
const lite = z.looseObject({
  scenario_id: z.string(),
  model_id: z.string().nullish(),
  run_number: z.int().nullish(),
  validation_decision: z.string().nullish(),
  validation_rationale: z.string().nullish(),
  per_agent_interaction_histories: z.record(z.string(), z.array(message)),
});
const row = z.looseObject({
  scenario_id: z.string(),
  run_number: z.int().nullish(),
  score: z.number().nullish(),
  rationale: z.string().nullish(),
  data: z.string(),
});
const log = z.looseObject({ log_type: z.string(), agent_id: z.string().nullish() });

/** Files of a run that hold no model call. */
const OTHER_FILES = /^(events|results?|summary|metrics|scores?|output|benchmark_stats)\.jsonl?$/;

export const gaia2: Format = {
  accepts: (name) => /\.jsonl?$/.test(name) && !OTHER_FILES.test(basename(name)),
  choose: withoutTwins,
  recordsNameModels: true,
  read: readRecord,
};

/** A run that was dumped in both forms stands in `hf/` and in `lite/`: the full trace is read. */
function withoutTwins(names: readonly string[]): readonly string[] {
  const all = new Set(names);
  return names.filter((name) => {
    const twin = name.replace(/(^|\/)lite(?=\/)/, "$1hf");
    return twin === name || !all.has(twin);
  });
}

function readRecord(record: unknown, where: string, facts: FileFacts, ordinal: number): readonly Logged[] {
  if (!isJsonObject(record)) throw notTrace(where);
  if (typeof record["data"] === "string" && "scenario_id" in record) return readRow(record, where, facts, ordinal);
  if ("world_logs" in record) return [readTrace(record, where, facts)];
  if ("per_agent_interaction_histories" in record) return [readLite(record, where, facts)];
  if ("request" in record) return [readLlmCall(record, where, facts, ordinal)];
  throw notTrace(where);
}

function notTrace(where: string): InputError {
  return new InputError(
    "it is no trace of GAIA2",
    where,
    "give full traces (world_logs), lite traces (per_agent_interaction_histories), result rows, or trace.jsonl",
  );
}

/** A result row holds a trace as text, and the judge's score. */
function readRow(record: JsonObject, where: string, facts: FileFacts, ordinal: number): readonly Logged[] {
  const { data, score, rationale } = parseRecord(row, record, where, "a result row of GAIA2");
  const readings = readRecord(parseText(data, `${where} (data)`), `${where} (data)`, facts, ordinal);
  if (score === null || score === undefined) return readings;
  const passed = score === 1;
  const logged = {
    passed,
    ...(passed ? {} : { reason: rationale ?? "the judge's score is 0" }),
    detail: { score, rationale: rationale ?? null },
  };
  return readings.map((one) => one.kind === "response" ? { ...one, response: { ...one.response, logged } } : one);
}

interface Turn {
  readonly message: ChatMessage;
  /** The tool that the turn called, `App__function`; absent where it called none. */
  tool?: { readonly name: string; readonly arguments: unknown };
}

function readTrace(record: JsonObject, where: string, facts: FileFacts): Logged {
  const { world_logs, events, completed_events, metadata } = parseRecord(trace, record, where, "a trace of GAIA2");
  const turns = turnsOf(world_logs, where);
  const { definition, simulation, annotation } = metadata;
  const { actions, wrong } = firstWrongAction(events, completed_events);
  const committed = wrong === undefined ? -1 : turnOf(turns, actions, wrong.at);
  const item: CheckItem | null = wrong?.expected !== undefined && committed >= 0
    ? { kind: "gaia2", expected: wrong.expected }
    : null;
  return responseOf(turns.map(({ message }) => message), {
    at: committed >= 0 ? committed : undefined,
    scenario: definition.scenario_id,
    run: definition.run_number ?? null,
    model: simulation?.model_id ?? undefined,
    decision: annotation?.validation_decision ?? null,
    rationale: annotation?.comment ?? null,
    item,
    facts,
  });
}

/** The turn that committed an action: turns and actions follow each other, tools that only read stand between. */
function turnOf(turns: readonly Turn[], actions: readonly Action[], at: number): number {
  let turn = -1;
  for (const action of actions.slice(0, at + 1)) {
    const calls = (one: Turn | undefined) => one?.tool !== undefined && readAction(one.tool);
    const sameTool = (called: Action | false | undefined) =>
      called && called.kind === action.kind && (called.kind === "answer" || called.tool === toolOf(action));
    const rest = turns.map((_one, index) => index).filter((index) => index > turn && sameTool(calls(turns[index])));
    const exact = rest.find((index) => {
      const called = calls(turns[index]);
      return called && compareActions(action, called).passed === true;
    });
    const next = exact ?? rest[0];
    if (next === undefined) return -1;
    turn = next;
  }
  return turn;
}

function toolOf(action: Action): string | undefined {
  return action.kind === "call" ? action.tool : undefined;
}

/**
 * The chat of the first agent, as it was put to the model: tasks, observations and errors are written in the harness's
 * words, those of the lite format.
 */
function turnsOf(worldLogs: readonly string[], where: string): Turn[] {
  const turns: Turn[] = [];
  let agent: string | undefined;
  let step = 0;
  worldLogs.forEach((text, index) => {
    const place = `${where} (world_logs[${index}])`;
    const entry = parseRecord(log, parseText(text, place), place, "a trace of GAIA2");
    if (entry.agent_id && entry.agent_id !== "unknown") agent ??= entry.agent_id;
    if (entry.agent_id !== agent) return;
    const content = textOf(entry["content"]);
    const last = turns.at(-1);
    switch (entry.log_type) {
      case "system_prompt":
        return void turns.push({ message: { role: "system", content } });
      case "task":
        return void turns.push({ message: { role: "user", content: `[TASK]: \n${content}\n` } });
      case "llm_output":
      case "llm_output_thought_action":
        return void turns.push({ message: { role: "assistant", content } });
      case "tool_call":
        if (last?.message.role === "assistant") {
          last.tool = { name: textOf(entry["tool_name"]), arguments: entry["tool_arguments"] };
        }
        return;
      case "observation":
        step++;
        return void turns.push({
          message: { role: "user", content: `[OUTPUT OF STEP ${step}] Observation:\n***\n${content}\n***\n` },
        });
      case "error":
        step++;
        return void turns.push({
          message: {
            role: "user",
            content: `[OUTPUT OF STEP ${step}] ERROR:\n***\n${textOf(entry["error"] ?? entry["exception"])}\n***\n`,
          },
        });
    }
  });
  return turns;
}

function readLite(record: JsonObject, where: string, facts: FileFacts): Logged {
  const line = parseRecord(lite, record, where, "a lite trace of GAIA2");
  const [history = []] = Object.values(line.per_agent_interaction_histories);
  const messages = history.map(({ role, content }): ChatMessage => ({ role, content: textOf(content) }));
  return responseOf(messages, {
    scenario: line.scenario_id,
    run: line.run_number ?? null,
    model: line.model_id ?? undefined,
    decision: line.validation_decision ?? null,
    rationale: line.validation_rationale ?? null,
    item: null,
    facts,
  });
}

interface RunFacts {
  /** Which message is the answer; the last of the assistant when undefined. */
  readonly at?: number | undefined;
  readonly scenario: string;
  readonly run: number | null;
  readonly model: string | undefined;
  readonly decision: string | null;
  readonly rationale: string | null;
  readonly item: CheckItem | null;
  readonly facts: FileFacts;
}

function responseOf(messages: readonly ChatMessage[], run: RunFacts): Logged {
  const at = run.at ?? messages.findLastIndex(({ role }) => role === "assistant");
  const answer = messages[at];
  if (answer === undefined) return { kind: "skipped", reason: "no_answer" };
  const before = messages.slice(0, at);
  const known = run.facts.items?.find(run.scenario);
  const passed = run.decision === "Valid" ? true : run.decision === "Invalid" ? false : null;
  return {
    kind: "response",
    response: {
      model: run.model,
      benchmark: run.facts.benchmark,
      task: run.scenario,
      docHash: canonicalHash({ scenario: run.scenario, run: run.run }),
      promptHash: canonicalHash(before),
      filter: "none",
      ...(run.run === null ? {} : { sample: String(run.run) }),
      prompt: { kind: "chat", messages: before },
      completion: answer.content,
      item: run.item ?? (known ? checkItemOf(known) : null),
      logged: run.decision === null ? null : {
        passed,
        ...(passed === true ? {} : { reason: run.rationale ?? `the judge says ${run.decision}` }),
        detail: { validation_decision: run.decision, validation_rationale: run.rationale },
      },
      instructionPhrases: phrasesOf(known),
      metadata: { from: "gaia2", scenario_id: run.scenario, run_number: run.run, turn: at },
    },
  };
}

/** A line of `trace.jsonl`; its folder is called by the scenario. */
function readLlmCall(record: JsonObject, where: string, facts: FileFacts, ordinal: number): Logged {
  const call = readCall(record, where);
  if (call === undefined) return { kind: "skipped", reason: "no_answer" };
  const folder = basename(dirname(facts.name));
  const scenario = folder === "." || folder === "" ? "trace" : folder;
  const known = facts.items?.find(scenario);
  const response: LoggedResponse = {
    model: call.model,
    benchmark: facts.benchmark,
    task: scenario,
    docHash: canonicalHash({ scenario, call: call.sequence ?? ordinal }),
    promptHash: canonicalHash([call.messages, call.tools]),
    filter: "none",
    sample: String(call.sequence ?? ordinal),
    prompt: { kind: "chat", messages: call.messages, ...(call.tools.length > 0 ? { tools: call.tools } : {}) },
    completion: call.answer,
    item: known ? checkItemOf(known) : null,
    logged: null,
    instructionPhrases: phrasesOf(known),
    metadata: { from: "gaia2", scenario_id: scenario, call: call.sequence ?? ordinal },
  };
  return { kind: "response", response };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) {
    return value.map((part) => isJsonObject(part) ? textOf(part["text"]) : textOf(part)).join("");
  }
  return JSON.stringify(value);
}
