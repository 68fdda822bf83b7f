/** GAIA2: committed and expected actions, in the forms of the benchmark's own traces. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkGaia2 } from "../server/checkers/gaia2.ts";
import { readAction, responseAction } from "../server/checkers/gaia2/action.ts";
import { compareArgument } from "../server/checkers/gaia2/compare.ts";

const DATA = new URL("data/gaia2/", import.meta.url);

interface Trace {
  readonly world_logs: readonly string[];
  readonly events: readonly { readonly class_name: string; readonly action: Record<string, unknown> }[];
  readonly completed_events: readonly { readonly event_type: string; readonly action: Record<string, unknown> }[];
}
const TRACE = JSON.parse(readFileSync(new URL("synthetic_trace_hf.json", DATA), "utf8")) as Trace;
const ORACLES = TRACE.events.filter(({ class_name }) => class_name === "OracleEvent").map(({ action }) => action);

function verdict(expected: Record<string, unknown>, response: string) {
  const { passed, reason } = checkGaia2({ kind: "gaia2", expected }, response);
  return reason === undefined ? { passed } : { passed, reason };
}

/** As agents of the benchmark write an action. */
function act(action: string, input: unknown): string {
  return `Thought: now.\nAction:\n${JSON.stringify({ action, action_input: input })}<end_action>`;
}

describe("actions of a trace", () => {
  test("an oracle's action and the completed one", () => {
    expect(readAction(ORACLES[0])).toEqual({
      kind: "call",
      tool: "Emails__send_email",
      arguments: {
        recipients: ["ana.silva@example.com"],
        subject: "Rome trip",
        content: "The trip moved to Oct 20.",
      },
    });
    expect(readAction(ORACLES[1])).toEqual({ kind: "answer", text: "Done" });
    const done = TRACE.completed_events.find(({ event_type }) => event_type === "AGENT")!.action;
    expect(readAction(done)).toMatchObject({ tool: "Emails__send_email", arguments: { cc: null } });
  });

  test("what the agent wrote, and what the trace says that it called", () => {
    const logs = TRACE.world_logs.map((log) => JSON.parse(log) as Record<string, unknown>);
    const wrote = logs.find(({ log_type }) => log_type === "llm_output")!["content"] as string;
    const called = logs.find(({ log_type }) => log_type === "tool_call");
    expect(responseAction(wrote)).toEqual(readAction(called));
  });

  test("a recorded event", () => {
    const lines = readFileSync(new URL("synthetic_events.jsonl", DATA), "utf8").split("\n");
    expect(readAction(JSON.parse(lines[0]!))).toEqual({
      kind: "call",
      tool: "Contacts__search_contacts",
      arguments: { query: "Ana" },
    });
  });

  test("values are read by their types, text stays text", () => {
    const args = [
      { name: "flag", value: "True", value_type: "bool" },
      { name: "count", value: "3", value_type: "int" },
      { name: "code", value: "3", value_type: "str" },
      { name: "nothing", value: null, value_type: null },
      { name: "none", value: "None", value_type: "NoneType" },
    ];
    expect(readAction({ app: "A", function: "f", args })).toEqual({
      kind: "call",
      tool: "A__f",
      arguments: { flag: true, count: 3, code: "3", nothing: null, none: null },
    });
  });
});

describe("the action of a response", () => {
  const call = { kind: "call", tool: "A__f", arguments: { x: 1 } };
  test.each([
    ["an agent's action", 'Thought: {x}.\nAction:\n{"action": "A__f", "action_input": {"x": 1}}<end_action>'],
    ["arguments as JSON text", 'Action: {"action": "A__f", "action_input": "{\\"x\\": 1}"}'],
    ["the first of several", `${act("A__f", { x: 1 })}\nObservation: ok\n${act("A__g", {})}`],
    ["a chat model's call", '<tool_call>\n{"name": "A__f", "arguments": {"x": 1}}\n</tool_call>'],
    ["after thinking", '<think>\nAction: {"action": "A__g"}\n</think>\n<tool_call>{"name":"A.f","arguments":{"x":1}}'],
    ["a fenced block", 'I call it.\n```json\n{"tool": "A__f", "arguments": {"x": 1}}\n```'],
    ["tool calls of an API", '{"tool_calls":[{"function":{"name":"A__f","arguments":"{\\"x\\":1}"}}]}'],
    ["braces in texts", 'Action: {"action": "A__f", "action_input": {"x": 1, "y": null}} }{'],
  ])("%s", (_form, response) => expect(responseAction(response)).toMatchObject(call));

  test.each([
    ["The answer is 42", "The answer is 42"],
    ["I add.\nFinal answer: 42\n", "42"],
    [act("final_answer", { answer: 42 }), "42"],
    [act("final_answer", "Done"), "Done"],
    [act("AgentUserInterface__send_message_to_user", { content: "Done" }), "Done"],
    ["{not JSON}", "{not JSON}"],
  ])("%j answers %j", (response, text) => expect(responseAction(response)).toEqual({ kind: "answer", text }));

  test.each(["", " \n", "<think>hm</think>", "Action: none", 'Action: {"action": "A__f", "action_input": {'])(
    "%j is no action",
    (response) => expect(responseAction(response)).toBeUndefined(),
  );
});

describe("values of arguments", () => {
  // [name, expected, committed, same]; undefined: only the wording differs.
  test.each<readonly [string, unknown, unknown, boolean | undefined]>([
    ["id", "a1", "a1", true],
    ["id", "a1", "a2", false],
    ["name", "Ana  Silva", " ana silva\n", true],
    ["name", "Cafe\u0301", "caf\u00e9", true],
    ["count", 5, "5", true],
    ["count", 5, "5.0", true],
    ["price", "1,234.50", 1234.5, true],
    ["count", 5, 6, false],
    ["code", "007", "7", false],
    ["id", "12345678901234567890", "12345678901234567891", false],
    ["all", true, "True", true],
    ["all", true, false, false],
    ["all", true, 1, false],
    ["cc", undefined, null, true],
    ["cc", [], undefined, true],
    ["cc", "", null, true],
    ["cc", undefined, ["x@y.z"], false],
    ["limit", 0, undefined, false],
    ["recipients", ["a", "b"], ["b", "a"], true],
    ["recipients", ["a", "b"], '["b", "a"]', true],
    ["recipients", ["a", "b"], ["a", "a"], false],
    ["recipients", ["a"], ["a", "b"], false],
    ["recipients", ["a"], "a", false],
    ["filter", { a: 1, b: [2] }, { b: ["2"], a: "1" }, true],
    ["filter", { a: 1 }, { a: 1, b: 2 }, false],
    ["filter", { note: "call me" }, { note: "ring me" }, undefined],
    ["start_datetime", "2024-10-15 09:00:00", "2024-10-15T09:00", true],
    ["start_datetime", "2024-10-15 09:00:00", "2024-10-15T11:00:00+02:00", true],
    ["start_datetime", "2024-10-15 09:00:00", "2024-10-15 09:00:01", false],
    ["start_datetime", "2024-10-15", "2024-10-15 00:00:00", false],
    ["phone", "+1 (555) 123-4567", "15551234567", true],
    ["phone", "+1 (555) 123-4567", "15551234568", false],
    ["path", "/a/b/../c.txt", "a//./c.txt", true],
    ["attachment_paths", ["/a/x", "b"], ["b", "a/x"], true],
    ["path", "/a/B", "/a/b", false],
    ["content", "It moved.", "it  moved", true],
    ["content", "It moved.", "It was moved.", undefined],
    ["query", "one two three four five six seven eight nine", "one to nine", undefined],
  ])("%s: %j and %j: %s", (name, expected, committed, same) => {
    expect(compareArgument(name, expected, committed)).toBe(same);
  });
});

describe("verdicts", () => {
  const email = ORACLES[0]!;
  const right = {
    recipients: ["ana.silva@example.com"],
    subject: "rome trip",
    content: "The trip moved to Oct 20",
    cc: [],
  };

  test("the same action passes, in whatever order", () => {
    expect(verdict(email, act("Emails__send_email", right))).toEqual({ passed: true });
    const turned = Object.fromEntries(Object.entries(right).reverse());
    expect(verdict(email, act("Emails.send_email", turned))).toEqual({ passed: true });
  });

  test("another tool, an answer, or other arguments fail and say so", () => {
    expect(verdict(email, act("Contacts__search_contacts", { query: "Ana" }))).toEqual({
      passed: false,
      reason: "the agent called Contacts__search_contacts, and should call Emails__send_email",
    });
    expect(verdict(email, "Done.")).toEqual({
      passed: false,
      reason: "the agent answered, and should call Emails__send_email",
    });
    const wrong = { ...right, recipients: ["ana.souza@example.com"], content: "Moved" };
    expect(verdict(email, act("Emails__send_email", wrong))).toEqual({
      passed: false,
      reason: "arguments differ: recipients",
    });
    expect(verdict(email, "")).toEqual({ passed: false, reason: "the response holds no action" });
  });

  test("prose that differs is left to people", () => {
    expect(verdict(email, act("Emails__send_email", { ...right, content: "Moved to Oct 20" }))).toEqual({
      passed: null,
      reason: "the wording of content differs: a person has to compare it",
    });
    const long = "We moved the whole trip to Rome to the 20th of October.";
    expect(verdict({ final_answer: long }, "The trip is on October 20 now.").passed).toBe(null);
  });

  test("answers", () => {
    expect(verdict(ORACLES[1]!, "done.")).toEqual({ passed: true });
    expect(verdict({ final_answer: "42" }, "Final answer: 42.0")).toEqual({ passed: true });
    expect(verdict({ final_answer: "42" }, "43")).toEqual({ passed: false, reason: 'the answer is "43"' });
    expect(verdict(ORACLES[1]!, act("A__f", {}))).toEqual({
      passed: false,
      reason: "the agent called A__f, and should answer",
    });
  });

  test("any of several expected actions will do", () => {
    const several = { any_of: [{ final_answer: "42" }, email] };
    expect(verdict(several, "42").passed).toBe(true);
    expect(verdict(several, act("Emails__send_email", right)).passed).toBe(true);
    expect(verdict(several, act("Emails__send_email", { ...right, subject: "Trip" })).passed).toBe(null);
    expect(verdict(several, "43").passed).toBe(false);
  });

  test.each([{}, { any_of: [] }, { app: "Emails" }, { validation_decision: "Invalid" }])(
    "%j is no known action: no verdict",
    (expected) => {
      expect(verdict(expected, "Done.")).toEqual({ passed: null, reason: "no expected action is known" });
    },
  );

  test("detail shows both actions and which arguments differ", () => {
    const response = act("Emails__send_email", { ...right, subject: "Trip", recipients: [] });
    expect(checkGaia2({ kind: "gaia2", expected: email }, response).detail).toEqual({
      expected: readAction(email),
      committed: { kind: "call", tool: "Emails__send_email", arguments: { ...right, subject: "Trip", recipients: [] } },
      different: ["recipients"],
      undecided: ["subject"],
    });
  });
});
