/** The demo benchmarks as they lie in models/benchmarks: held-out items in the formats of the real ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../gpu/model/tokenizer.ts";

const MODELS = new URL("../models/", import.meta.url).pathname;
const NAMES = ["demo-ifeval", "demo-math", "demo-code", "demo-agentic"];

interface Message {
  readonly [field: string]: unknown;
  readonly role: string;
  readonly content: string;
  readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: object } }[];
}
interface Row {
  readonly split: string;
  readonly instruction_phrases: readonly string[];
  readonly [field: string]: unknown;
}
interface CodeRow extends Row {
  readonly task_id: string;
  readonly prompt: string;
  readonly entry_point: string;
  readonly canonical_solution: string;
  readonly test: string;
}
interface AgenticRow extends Row {
  readonly scenario_id: string;
  readonly messages: readonly Message[];
  readonly expected: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
  readonly depends_on: number;
  /** Which records stand beside the one that is asked for. */
  readonly kind: "only" | "twin" | "first" | "last";
  readonly reference: string;
}
const rows = <T extends Row>(name: string): T[] =>
  readFileSync(join(MODELS, "benchmarks", `${name}.jsonl`), "utf8").trimEnd().split("\n").map((line) =>
    JSON.parse(line) as T
  );

describe("demo benchmarks", () => {
  test("each has at least 300 held-out items, no two alike", () => {
    for (const name of NAMES) {
      const items = rows(name);
      expect(items.length).toBeGreaterThanOrEqual(300);
      expect(new Set(items.map((row) => row.split))).toEqual(new Set(["held-out"]));
      expect(new Set(items.map((row) => JSON.stringify(row["messages"] ?? row["problem"] ?? row["prompt"]))).size)
        .toBe(items.length);
    }
  });

  test("code items are HumanEval's rows, and their tests call the function that the prompt opens", () => {
    for (const row of rows<CodeRow>("demo-code")) {
      expect(row.prompt).toMatch(new RegExp(`^def ${row.entry_point}\\(.*\\) -> .+:\\n {4}""" .+ """\\n$`));
      expect(row.canonical_solution).toMatch(/^( {4}kept = .+\n)? {4}return .+\n$/);
      expect(row.test).toMatch(/^def check\(candidate\):\n( {4}assert candidate\(.+\) == .+\n){2,8}$/);
      for (const phrase of row.instruction_phrases) expect(row.prompt).toContain(phrase);
      // More than one answer is asked for: no constant passes.
      expect(new Set(row.test.matchAll(/ == (.+)\n/g).map((match) => match[1])).size).toBeGreaterThan(1);
    }
  });

  test("agentic items pair each tool call with its output, and one output alone decides the action", () => {
    for (const row of rows<AgenticRow>("demo-agentic")) {
      const [system, opening] = row.messages;
      const steps = row.messages.slice(2, -1);
      const request = row.messages.at(-1)!;
      expect([system?.role, opening?.role, request.role]).toEqual(["system", "user", "user"]);
      expect(steps.map(({ role }) => role)).toEqual(steps.map((_, at) => at % 2 === 0 ? "assistant" : "tool"));
      expect(steps.length % 2).toBe(0);
      const calls = steps.flatMap(({ tool_calls }) => tool_calls ?? []);
      expect(calls).toHaveLength(steps.length / 2);
      const tools = new Set(system?.content.matchAll(/(\w+)\(\w+\)/g).map(([, tool]) => tool));
      for (const call of calls) expect(tools).toContain(call.function.name);
      const listed = row.messages.flatMap(({ role, content }, at) => {
        const { status: _, ...record } = role === "tool" ? JSON.parse(content) as Record<string, string> : {};
        return Object.entries(record).map(([field, text]) => ({ at, field, text, key: text.split(" ")[0]! }));
      });
      const [text, ...others] = Object.values(row.expected.arguments) as [string];
      expect(others).toEqual([]);
      const decisive = listed.find(({ at }) => at === row.depends_on)!;
      expect(decisive.text).toBe(text);
      expect(request.content.match(/\w+/g)).toContain(decisive.key);
      // The record stands in no other message: one output alone says it.
      expect(row.messages.filter((message) => JSON.stringify(message).includes(`${text}\\"`)).length).toBe(1);
      const beside = listed.filter(({ at, key }) => key === decisive.key && at !== row.depends_on);
      expect(beside).toHaveLength(row.kind === "only" ? 0 : 1);
      const [other] = beside;
      if (row.kind === "twin") expect(other!.field).not.toBe(decisive.field);
      if (row.kind === "first" || row.kind === "last") {
        expect(other!.field).toBe(decisive.field);
        expect(row.kind).toBe(decisive.at < other!.at ? "first" : "last");
        expect(request.content).toContain(row.kind);
      }
      // The tool that acts on a record of this kind stands beside the one that lists it.
      const lister = row.messages[decisive.at - 1]!.tool_calls![0]!.function.name;
      expect(system?.content).toMatch(new RegExp(`\\n${lister}\\(\\w+\\), ${row.expected.name}\\(`));
      expect(row.reference).toBe(
        `<tool_call>\n{"name": ${JSON.stringify(row.expected.name)}, "arguments": ${spaced(row.expected.arguments)}}` +
          "\n</tool_call>",
      );
      expect(request.content).toContain(row.instruction_phrases[0]!);
    }
  });

  test("agentic traces are 500 to 2,000 tokens long", async () => {
    const tokenizer = await loadTokenizer(join(MODELS, "demo-1m"));
    const lengths = rows<AgenticRow>("demo-agentic").map(({ messages }) =>
      tokenizer.encode(tokenizer.chat(messages)).length
    );
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2000);
  });
});

/** JSON as Python writes it: a space after each comma and colon. */
function spaced(values: Readonly<Record<string, unknown>>): string {
  return `{${Object.entries(values).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`).join(", ")}}`;
}
