/** The verb `ask` against the verbs whose numbers other implementations confirm: `generate` and `attribute`. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { culprit, refused } from "./command_line.ts";

const MODEL = join(import.meta.dirname as string, "..", "models", "demo-1m");
const ASK = ["--model", MODEL, "--chat", "What is 2 + 2?"];

interface AskedToken {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  readonly alternatives: readonly {
    readonly rank: number;
    readonly id: number;
    readonly text: string;
    logit: number;
  }[];
}

const json = async (args: readonly string[]) => {
  const { code, out, err } = await culprit([...args, "--json"]);
  expect(code, err).toBe(0);
  return JSON.parse(out);
};

test("every token of the answer comes with what else the model could have said", async () => {
  const [asked, generated] = [await json(["ask", ...ASK, "--alternatives", "4"]), await json(["generate", ...ASK])];
  expect(Object.keys(asked)).toEqual(["prompt", "text", "stop", "tokens"]);
  expect(asked.prompt).toContain("<|im_start|>user\nWhat is 2 + 2?<|im_end|>");
  expect([asked.text, asked.stop]).toEqual([generated.text, generated.stop]);
  const tokens: readonly AskedToken[] = asked.tokens;
  expect(tokens.map(({ id }) => id)).toEqual(generated.ids);
  expect(tokens.map(({ position }) => position)).toEqual([...generated.ids.keys()]);
  for (const { logit, alternatives } of tokens) {
    expect(alternatives.map(({ rank }) => rank)).toEqual([1, 2, 3, 4]);
    const logits = [logit, ...alternatives.map((one) => one.logit)];
    expect(logits).toEqual(logits.toSorted((a, b) => b - a));
  }
  const first: readonly { id: number; logit: number }[] = generated.first;
  expect(tokens[0]!.alternatives.map(({ id }) => id)).toEqual(first.slice(1, 5).map(({ id }) => id));
  tokens[0]!.alternatives.forEach(({ logit }, index) => expect(logit).toBeCloseTo(first[index + 1]!.logit, 3));
});

test("a token of the answer is explained as attribute explains it", async () => {
  const asked = await json(["ask", ...ASK, "--at", "3", "--contrast", "text:times"]);
  const prefix: string = asked.tokens.slice(0, 3).map(({ text }: AskedToken) => text).join("");
  const args = ["--prefix", prefix, "--target", String(asked.tokens[3].id), "--contrast", "text:times"];
  const alone = await json(["attribute", ...ASK, ...args]);
  const { seconds: _seconds, tokens, ...numbers } = alone;
  expect(asked).toMatchObject({ ...numbers, inputTokens: tokens });
  expect(asked.target.logit).toBeCloseTo(asked.tokens[3].logit, 3);
});

test("a typed word of several tokens is explained by its first, and that is said", async () => {
  const { code, out, err } = await culprit(["ask", ...ASK, "--at", "0", "--contrast", "text:4 apples", "--json"]);
  expect(code).toBe(0);
  expect(err).toBe('"text:4 apples" is 2 tokens: its first one, 19 "4", is explained\n');
  expect(JSON.parse(out).contrast.id).toBe(19);
});

test("a person on a terminal chooses position and alternative", async () => {
  const { code, out, err } = await culprit(["ask", ...ASK], ["99\n", "3\n", "2\n", "\n"], { interactive: true });
  expect(code).toBe(0);
  expect(err).toContain("the response has 17 tokens, none at position 99; give a position from 0 to 16");
  expect(out).toContain('position 3: 220 " "');
  expect(out).toMatch(/delta \d+\.\d+ = /);
});

test("a thought is closed when its budget is used up, and the answer goes on", async () => {
  const asked = await json(["ask", ...ASK, "--thinking", "8", "--prefix", "<think>\n", "--max-tokens", "6"]);
  expect(Object.keys(asked)).toEqual(["prompt", "text", "thought", "answer", "stop", "tokens"]);
  expect(asked.prompt).toMatch(/assistant\n<think>\n$/);
  const { budget: _, ...thought } = asked.thought;
  expect(asked.text).toMatch(/ now\.\n<\/think>\n\n/);
  expect(asked.text).toBe(`${asked.text.slice(0, asked.text.indexOf(asked.answer))}${asked.answer}`);
  expect(thought.text).toContain("Considering the limited time");
  const own = thought.tokens - thought.inserted;
  // The prefix counts.
  expect(own).toBe(6);
  expect(asked.tokens.length - thought.tokens).toBeLessThanOrEqual(6);
  // Decoded token by token by another verb, from the same tokens.
  const prefix = `<think>\n${asked.tokens.slice(0, thought.tokens).map(({ text }: AskedToken) => text).join("")}`;
  const rest = await json([
    "generate",
    "--model",
    MODEL,
    "--prompt",
    `${asked.prompt}${prefix.slice(8)}`,
    "--max-tokens",
    "6",
  ]);
  expect(asked.tokens.slice(thought.tokens).map(({ id }: AskedToken) => id)).toEqual(rest.ids);
});

test("only a chat has a thinking mode", async () => {
  await refused(
    ["ask", "--model", MODEL, "--prompt", "Hi", "--thinking", "8"],
    /^--thinking: only a chat has a thinking mode; give --chat, or leave it out/,
  );
});

test("what cannot be explained is one line", async () => {
  await refused(["ask", ...ASK, "--at", "3"], /^--at: says nothing without --contrast; give --contrast too/);
  await refused(
    ["ask", ...ASK, "--at", "3", "--contrast", "x"],
    /^--contrast: "x" is neither a token id nor text:TOKEN/,
  );
  const { code, err } = await culprit(["ask", ...ASK, "--at", "99", "--contrast", "5"]);
  expect([code, err]).toEqual([
    2,
    "--at: the response has 17 tokens, none at position 99; give a position from 0 to 16\n",
  ]);
});
