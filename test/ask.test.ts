/** Asking through the API of a real server and worker: an answer that grows, and why one of its tokens is not another. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { culprit } from "./command_line.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServerProcess();
  await server.query(`mutation { addModel(input: { directory: "models/demo-1m" }) { __typename } }`);
});
afterAll(() => server?.stop());

const CHAT = "What is 2 + 2?";
const JOB = `id status error { message } generation {
  prompt prefix text answer thought { text budget tokens insertedTokens } stop tokens { position id text logit alternatives { rank id text logit } }
} attributions(first: 2) { nodes {
  id rule logitDifference tokenPair { source position target { id text } contrast { id text rank } failureCase { id } }
} }`;

interface Generation {
  readonly prompt: string;
  readonly text: string;
  readonly answer: string;
  readonly thought: { readonly text: string; readonly tokens: number; readonly insertedTokens: number } | null;
  readonly stop: "EOS" | "LENGTH" | null;
  readonly tokens: readonly {
    readonly position: number;
    readonly id: number;
    readonly text: string;
    readonly logit: number | null;
    readonly alternatives: readonly { readonly rank: number; readonly id: number; readonly text: string }[];
  }[];
}

interface Job {
  readonly id: string;
  readonly status: string;
  readonly error: { readonly message: string } | null;
  readonly generation: Generation | null;
  readonly attributions: {
    readonly nodes: readonly {
      readonly id: string;
      readonly logitDifference: number;
      readonly tokenPair: {
        readonly source: string;
        readonly position: number;
        readonly target: { readonly id: number; readonly text: string };
        readonly contrast: { readonly id: number; readonly text: string; readonly rank: number };
        readonly failureCase: { readonly id: string };
      };
    }[];
  };
}

/** The job's states as they are told, to its end. */
async function follow(id: string): Promise<Job[]> {
  const response = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({
      query: `subscription Watch($id: ID!) { jobProgress(id: $id, after: 0) { ${JOB} } }`,
      variables: { id },
    }),
  });
  const text = await response.text();
  return [...text.matchAll(/event: next\ndata: (.*)\n/g)].map(([, data]) => JSON.parse(data!).data.jobProgress as Job);
}

async function generate(input: object): Promise<Job[]> {
  const { generate } = await server.query<{ generate: { id?: string; message?: string } }>(
    `mutation Ask($input: GenerateInput!) {
      generate(input: $input) { ... on Job { id } ... on InputError { message } }
    }`,
    { input },
  );
  expect(generate.message).toBeUndefined();
  return await follow(generate.id!);
}

interface Explained {
  readonly note: string | null;
  readonly failureCase: { readonly id: string };
  readonly job: { readonly id: string };
  readonly message?: string;
}

async function explain(input: object): Promise<Explained> {
  const { explain } = await server.query<{ explain: Explained }>(
    `mutation Why($input: ExplainInput!) {
      explain(input: $input) { ... on Explanation { note failureCase { id } job { id } } ... on InputError { message } }
    }`,
    { input },
  );
  return explain;
}

test("an answer grows while it is written, and equals that of the command line", async () => {
  const states = await generate({ model: "demo-1m", chat: CHAT, alternatives: 3 });
  const last = states.at(-1)!;
  expect([last.status, last.error]).toEqual(["COMPLETED", null]);
  const { code, out } = await culprit(
    ["ask", "--model", "models/demo-1m", "--chat", CHAT, "--alternatives", "3", "--json"],
  );
  expect(code).toBe(0);
  const alone: Generation & { readonly stop: string } = JSON.parse(out);
  expect(last.generation).toMatchObject({ ...alone, stop: "EOS", prefix: "" });
  const lengths = states.map(({ generation }) => generation!.text.length);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
});

test("a thought grows within its budget, is closed, and goes on so after another token", async () => {
  const asked = { model: "demo-1m", chat: CHAT, prefix: "<think>\n", alternatives: 2 };
  const states = await generate({ ...asked, thinkingTokens: 8, maxTokens: 6 });
  const { text, answer, thought, tokens } = states.at(-1)!.generation!;
  const { out } = await culprit([
    ...["ask", "--model", "models/demo-1m", "--chat", CHAT, "--prefix", "<think>\n", "--alternatives", "2"],
    ...["--thinking", "8", "--max-tokens", "6", "--json"],
  ]);
  const alone = JSON.parse(out);
  expect({ text, answer, tokens: tokens.map(({ id }) => id) }).toEqual({
    text: alone.text,
    answer: alone.answer,
    tokens: alone.tokens.map(({ id }: { id: number }) => id),
  });
  expect(thought).toEqual({
    text: alone.thought.text,
    budget: 8,
    tokens: alone.thought.tokens,
    insertedTokens: alone.thought.inserted,
  });
  // Another token within the thought: what is left of the budget counts on.
  const at = { job: states.at(-1)!.id, position: 2, instead: tokens[2]!.alternatives[0]!.id };
  const other = (await generate({ at, maxTokens: 6 })).at(-1)!.generation!;
  expect(other.thought).toMatchObject({ budget: 8, insertedTokens: thought!.insertedTokens });
  expect(other.thought!.tokens - other.thought!.insertedTokens).toBe(3);
});

test("a token of an answer is explained by the ids that were decoded, and its case has the whole answer", async () => {
  const answer = (await generate({ model: "demo-1m", chat: CHAT })).at(-1)!;
  const { text, tokens } = answer.generation!;
  const rival = tokens[3]!.alternatives[0]!;
  const { note, failureCase, job } = await explain({ at: { job: answer.id, position: 3 }, contrast: { id: rival.id } });
  expect(note).toBeNull();
  const end = (await follow(job.id)).at(-1)!;
  expect([end.status, end.error]).toEqual(["COMPLETED", null]);
  const [attribution] = end.attributions.nodes;
  expect(attribution!.tokenPair).toMatchObject({
    source: "ASKED",
    target: { id: tokens[3]!.id },
    contrast: { id: rival.id, text: rival.text, rank: 1 },
    failureCase: { id: failureCase.id },
  });
  const { node } = await server.query<{ node: Record<string, unknown> }>(
    `query Case($id: ID!) { node(id: $id) { ... on FailureCase {
      benchmark source status prefix completion completionTokenCount delta
    } } }`,
    { id: failureCase.id },
  );
  expect(node).toEqual({
    benchmark: "ask",
    source: "ASKED",
    status: "CLEAN",
    prefix: tokens.slice(0, 3).map((token) => token.text).join(""),
    completion: text,
    completionTokenCount: tokens.length,
    delta: attribution!.logitDifference,
  });
  // Asked again: the same case and pair, and another rule beside the first.
  const again = await explain({ at: { job: answer.id, position: 3 }, contrast: { id: rival.id }, rule: "CPLRP" });
  expect(again.failureCase.id).toBe(failureCase.id);
  expect((await follow(again.job.id)).at(-1)!.attributions.nodes[0]!.tokenPair.failureCase.id).toBe(failureCase.id);
});

test("a typed prompt is explained against the first token of a word, and that is said", async () => {
  const { note, job } = await explain({ model: "demo-1m", chat: CHAT, prefix: "$2 +", contrast: { text: "4 apples" } });
  expect(note).toBe('"4 apples" is 2 tokens: its first one, "4", is explained');
  const [attribution] = (await follow(job.id)).at(-1)!.attributions.nodes;
  const { out } = await culprit([
    ...["attribute", "--model", "models/demo-1m", "--chat", CHAT, "--prefix", "$2 +"],
    ...["--contrast", "text:4", "--json"],
  ]);
  const alone = JSON.parse(out);
  expect(attribution!.tokenPair.target.id).toBe(alone.target.id);
  expect(attribution!.logitDifference).toBeCloseTo(alone.logitDifference, 4);
});

test.each([
  [{ model: "demo-1m", contrast: { id: 4 } }, /exactly one of them/],
  [{ model: "demo-1m", chat: "a", prompt: "b", contrast: { id: 4 } }, /exactly one of the two/],
  [{ chat: "a", contrast: { id: 4 } }, /^model: is missing/],
  [{ model: "none", chat: "a", contrast: { id: 4 } }, /there is no model/],
  [{ model: "demo-1m", chat: "a", contrast: { id: 10_000_000 } }, /out of range/],
  [
    { model: "demo-1m", chat: "a", target: { id: 19 }, contrast: { text: "4" } },
    /^contrast: target and contrast are the same token "4"/,
  ],
  [{ model: "demo-1m", prompt: "a", system: "b", contrast: { id: 4 } }, /^system: a plain prompt has no system/],
])("what cannot be explained is one line: %j", async (input, line) => {
  const { message = "" } = await explain(input);
  expect(message).toMatch(line);
});

test("a prompt longer than the model's context fails its job with the numbers", async () => {
  const end = (await generate({ model: "demo-1m", prompt: "word ".repeat(20_000) })).at(-1)!;
  expect(end.status).toBe("FAILED");
  expect(end.error!.message).toMatch(/tokens/);
});
