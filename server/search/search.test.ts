/** The strict recovery criterion on a scripted model: every rule of it, and that no rollout is decoded in vain. */
import { expect, test } from "vitest";
import type { NextTokens, NextTokensRequest } from "../../gpu/mod.ts";
import { searchPairs } from "./search.ts";
import {
  type CaseUpdate,
  type Outcome,
  type RolloutRequest,
  SEARCH_START,
  type SearchCase,
  type SearchOptions,
  type SearchState,
} from "./criterion.ts";

const END = 0;
const WORDS = ["<end>", "a", "b", "c", "d", "e", "f", "g", "h", "i"];
const idOf = (word: string) => WORDS.indexOf(word);
const ids = (text: string) => [...text].map(idOf);
const PROMPT = ids("hi");
const OPTIONS: SearchOptions = { alternatives: 2, positions: Infinity, positionRule: "recovering", batch: 8 };

/** Best next words after a text, best first; "." is the end. What is not scripted ends. Logits fall by 2 a rank. */
type Script = Readonly<Record<string, string>>;
const GAP = 2;

function fakeModel(script: Script, gap: (text: string) => number = () => GAP) {
  const textOf = (tokens: readonly number[]) => tokens.slice(PROMPT.length).map((id) => WORDS[id]).join("");
  const ranked = (tokens: readonly number[]) => {
    const text = textOf(tokens);
    const best = [...(script[text] ?? ".")].map((word) => word === "." ? END : idOf(word));
    const order = [...best, ...WORDS.keys().filter((id) => !best.includes(id))];
    return order.map((id, rank) => ({ id, logit: 20 - rank * gap(text), logProbability: -rank * gap(text) }));
  };
  const asked: RolloutRequest[][] = [];
  return {
    asked,
    endIds: [END],
    maxPositions: 30,
    nextTokens: (requests: readonly NextTokensRequest[]) =>
      Promise.resolve(
        requests.map(({ inputIds, from, to = inputIds.length, top }): NextTokens =>
          Array.from({ length: to - from }, (_, at) => ranked(inputIds.slice(0, from + at + 1)).slice(0, top))
        ),
      ),
    rollouts: (requests: readonly RolloutRequest[]) => {
      asked.push([...requests]);
      return Promise.resolve(requests.map(({ inputIds, force, maxTokens, until }) => {
        const own: number[] = [];
        for (let next = force; own.length < maxTokens; next = ranked([...inputIds, ...own])[0]!.id) {
          if (next === END) return { ids: own, stop: "eos" as const };
          own.push(next);
          if (until?.(own)) return { ids: own, stop: "until" as const };
        }
        return { ids: own, stop: "length" as const };
      }));
    },
    logits: (inputIds: readonly number[]) => {
      const values = new Float32Array(WORDS.length);
      for (const { id, logit } of ranked(inputIds)) values[id] = logit;
      return Promise.resolve(values);
    },
  };
}

const TOKENIZER = {
  encode: (text: string) => ids(text),
  decode: (tokens: readonly number[]) => tokens.map((id) => WORDS[id]).join(""),
  token: (id: number) => WORDS[id] as string,
};

/** A failed answer; what it may be instead is a pattern. */
function failed(answer: string, right: RegExp, values: Partial<SearchCase> = {}): SearchCase {
  return {
    key: answer,
    promptIds: PROMPT,
    completionIds: ids(answer),
    maxTokens: 6,
    check: (text) => Promise.resolve({ passed: right.test(text) }),
    ...values,
  };
}

interface Run {
  readonly outcomes: Map<SearchCase, Outcome>;
  readonly states: Map<SearchCase, SearchState>;
  readonly counts: Awaited<ReturnType<typeof searchPairs>>;
  readonly waves: (readonly CaseUpdate<SearchCase>[])[];
}

async function run(
  cases: readonly SearchCase[],
  model: ReturnType<typeof fakeModel>,
  options: Partial<SearchOptions> = {},
  more: {
    readonly sibling?: ReturnType<typeof fakeModel>;
    readonly states?: ReadonlyMap<SearchCase, SearchState>;
    readonly tokenizer?: typeof TOKENIZER;
  } = {},
): Promise<Run> {
  const outcomes = new Map<SearchCase, Outcome>();
  const states = new Map<SearchCase, SearchState>();
  const waves: (readonly CaseUpdate<SearchCase>[])[] = [];
  const started = cases.map((searchCase) => ({ searchCase, state: more.states?.get(searchCase) ?? SEARCH_START }));
  const counts = await searchPairs(started, { ...OPTIONS, ...options }, {
    model,
    sibling: more.sibling,
    tokenizer: more.tokenizer ?? TOKENIZER,
    onWave: (updates) => {
      waves.push(updates);
      for (const { searchCase, state, outcome } of updates) {
        states.set(searchCase, state);
        if (outcome) outcomes.set(searchCase, outcome);
      }
      return Promise.resolve();
    },
  });
  return { outcomes, states, counts, waves };
}

/** "abc" fails; from "a" on "d" recovers at rank 2 and "c" does not. */
const SCRIPT: Script = { "": "aef", "a": "bcd", "ab": "cge", "abc": ".fg", "ac": ".", "ad": "e" };

test("the earliest position that recovers, with its best-ranked passing alternative and all evidence", async () => {
  const one = failed("abc", /^ade$/);
  const model = fakeModel(SCRIPT);
  const { outcomes, states, counts } = await run([one], model, { batch: 2 });
  expect(outcomes.get(one)).toEqual({
    kind: "clean",
    pair: {
      position: 1,
      response: [...ids("abc"), END],
      source: "search",
      target: { id: idOf("b"), logit: 20 },
      contrast: { id: idOf("d"), logit: 16 },
      contrastRank: 2,
      delta: 4,
      candidates: [
        { rank: 0, id: idOf("b"), text: "b", logit: 20, completion: "abc", passed: false },
        { rank: 1, id: idOf("c"), text: "c", logit: 18, completion: "ac", passed: false },
        { rank: 2, id: idOf("d"), text: "d", logit: 16, completion: "ade", passed: true },
      ],
    },
  });
  // Two positions of two alternatives, and nothing past the one that decided.
  expect(counts).toEqual({ waves: 2, positions: 2, alternatives: 4, rollouts: 4, tokens: 5 });
  expect(states.get(one)?.visited.map(({ position, tried }) => [position, tried.map(({ completion }) => completion)]))
    .toEqual([[0, ["e", "f"]], [1, ["ac", "ade"]]]);
});

test("a better-ranked passing alternative is the contrast", async () => {
  const one = failed("abc", /^(ac|ade)$/);
  const outcome = (await run([one], fakeModel(SCRIPT))).outcomes.get(one);
  expect(outcome?.pair?.contrast).toEqual({ id: idOf("c"), logit: 18 });
});

test("too small a delta excludes, or is passed over when a clean position is asked for", async () => {
  // At "a" the logits lie close together; at "ab" another alternative recovers clearly.
  const gap = (text: string) => text === "a" ? 0.25 : GAP;
  const script = { ...SCRIPT, "abg": "." };
  const one = failed("abc", /^(ade|abg)$/);
  const strict = (await run([one], fakeModel(script, gap))).outcomes.get(one);
  expect(strict).toMatchObject({
    kind: "excluded",
    exclusion: "delta_too_small",
    note: 'delta 0.500 of "b" at position 1 against "d"',
    pair: { position: 1, delta: 0.5 },
  });
  const clean = (await run([one], fakeModel(script, gap), { positionRule: "clean" })).outcomes.get(one);
  expect(clean).toMatchObject({ kind: "clean", pair: { position: 2, delta: 2 } });
  // Nothing clean further on: the earliest weak one is what there is.
  const only = failed("abc", /^ade$/);
  const weak = (await run([only], fakeModel(SCRIPT, gap), { positionRule: "clean" })).outcomes.get(only);
  expect(weak).toMatchObject({ kind: "excluded", exclusion: "delta_too_small", pair: { position: 1 } });
});

test("stopping too early is a mistake too: the closing token can be the target", async () => {
  for (const answer of [ids("abc"), [...ids("abc"), END]]) {
    const one = failed("abc", /^abcf$/, { completionIds: answer });
    const { outcomes } = await run([one], fakeModel(SCRIPT));
    expect(outcomes.get(one)).toMatchObject({
      kind: "clean",
      pair: { position: 3, target: { id: END }, contrast: { id: idOf("f") }, response: [...ids("abc"), END] },
    });
    expect(outcomes.get(one)?.pair?.candidates[0]?.completion).toBe("abc");
  }
});

test("an answer that was cut at its limit has no closing token", async () => {
  const one = failed("abc", /^abcf$/, { maxTokens: 3 });
  const { outcomes, counts } = await run([one], fakeModel(SCRIPT));
  expect(outcomes.get(one)).toEqual({
    kind: "excluded",
    exclusion: "no_recovery",
    note: "6 alternatives at 3 positions, none passed",
  });
  // At the last position the forced token fills the limit: nothing is decoded.
  expect(counts).toMatchObject({ positions: 3, alternatives: 6, rollouts: 4 });
});

test("ending the answer by force needs no rollout", async () => {
  const one = failed("abc", /^a$/);
  const model = fakeModel({ ...SCRIPT, "a": "b.c" });
  const { outcomes, counts } = await run([one], model, { batch: 2 });
  expect(outcomes.get(one)).toMatchObject({ kind: "clean", pair: { position: 1, contrast: { id: END } } });
  expect(counts).toMatchObject({ alternatives: 4, rollouts: 3 });
});

test("the sibling's alternatives are tried where no own one recovers, ranked by the model that failed", async () => {
  const one = failed("abc", /^aih?$/);
  const sibling = fakeModel({ "": "aef", "a": "icb", "ab": "cde", "abc": "." });
  const model = fakeModel(SCRIPT);
  const { outcomes, states } = await run([one], model, {}, { sibling });
  const pair = outcomes.get(one)?.pair;
  expect(pair).toMatchObject({
    position: 1,
    source: "sibling",
    target: { id: idOf("b") },
    contrast: { id: idOf("i") },
  });
  // b c d come first by script, then the end and the other words.
  expect(pair?.contrastRank).toBe(9);
  expect(pair?.delta).toBe(9 * GAP);
  expect(pair?.candidates.map(({ rank, text }) => [rank, text])).toEqual([[0, "b"], [1, "c"], [9, "i"]]);
  expect(states.get(one)?.visited.map(({ proposedBy }) => proposedBy)).toEqual([
    ...Array(4).fill("own"),
    "sibling",
    "sibling",
  ]);
  // "ac" was known from the model's own alternatives.
  const forced = model.asked.flat().map(({ inputIds, force }) => TOKENIZER.decode([...inputIds, force]));
  expect(new Set(forced).size).toBe(forced.length);
  const without = (await run([one], fakeModel(SCRIPT))).outcomes.get(one);
  expect(without).toMatchObject({ exclusion: "no_recovery", note: "8 alternatives at 4 positions, none passed" });
});

test("what cannot be decided is excluded with its reason", async () => {
  const model = fakeModel(SCRIPT);
  const unchecked = failed("abc", /x/, { check: undefined });
  const empty = failed("", /x/);
  const long = failed("abc", /x/, { promptIds: Array(29).fill(1) });
  // Here the answer took rank 1 at its second token: sampled, or written by another model.
  const sampled = failed("acb", /^ab/);
  const { outcomes } = await run([unchecked, empty, long, sampled], model);
  expect([unchecked, empty, long, sampled].map((one) => outcomes.get(one))).toEqual([
    { kind: "excluded", exclusion: "not_checkable", note: "no checker can judge another response to this task" },
    { kind: "excluded", exclusion: "no_completion", note: "the response has no tokens" },
    { kind: "excluded", exclusion: "context_too_long", note: "29 prompt and 3 response tokens, the model takes 30" },
    { kind: "excluded", exclusion: "target_not_argmax", note: '"c" at position 1 is rank 1, the argmax is "b"' },
  ]);
  const one = failed("abc", /^ade$/);
  const merging = { ...TOKENIZER, encode: (text: string) => ids(text.replace("hia", "h")) };
  expect((await run([one], model, {}, { tokenizer: merging })).outcomes.get(one)).toMatchObject({
    exclusion: "tokenisation_differs",
  });
});

test("cases are packed into full batches, few ones take several positions at once, and prompts share rollouts", async () => {
  const many = Array.from(
    { length: 9 },
    (_, index) => failed("abc", /^never$/, { promptIds: ids("hi"), key: `${index}` }),
  );
  const shared = fakeModel(SCRIPT);
  const { counts, outcomes } = await run(many, shared, { batch: 8 });
  expect(outcomes.size).toBe(9);
  // All nine have the same prompt: each rollout is decoded once.
  expect(counts).toMatchObject({ positions: 36, alternatives: 72, rollouts: 8 });
  expect(shared.asked.every((batch) => batch.length <= 8)).toBe(true);

  const alone = fakeModel(SCRIPT);
  const single = await run([failed("abc", /^never$/)], alone, { batch: 8 });
  // Four positions of two alternatives fill the batch: one wave.
  expect(single.counts).toMatchObject({ waves: 1, positions: 4, rollouts: 8 });
  const careful = await run([failed("abc", /^never$/)], fakeModel(SCRIPT), { batch: 8, ahead: 4 });
  expect(careful.counts).toMatchObject({ waves: 2, positions: 4, rollouts: 8 });
  expect([...careful.outcomes.values()]).toEqual([...single.outcomes.values()]);
  const [two, four] = await Promise.all(
    [4, 8].map((ahead) => run([failed("abc", /^ade$/)], fakeModel(SCRIPT), { batch: 8, ahead })),
  );
  // The second position decides: what stands behind it was in vain.
  expect([two!.counts.positions, four!.counts.positions]).toEqual([2, 4]);
  expect([...two!.outcomes.values()]).toEqual([...four!.outcomes.values()]);
});

test("cases go forward in their order, so many as fill a batch: a search that is stopped has decided the first ones", async () => {
  const many = Array.from(
    { length: 5 },
    (_, index) => failed("abc", /^never$/, { promptIds: ids("hi"), key: `${index}` }),
  );
  const model = fakeModel(SCRIPT);
  const opened: number[] = [];
  const nextTokens: typeof model.nextTokens = (requests) => {
    opened.push(requests.length);
    return model.nextTokens(requests);
  };
  const { waves } = await run(many, { ...model, nextTokens }, { batch: 4 });
  // Two cases of two alternatives fill a batch; each has four positions. The last one takes two positions at once.
  const keys = waves.map((updates) => updates.map(({ searchCase }) => searchCase.key).join(" "));
  expect(keys).toEqual([...Array(4).fill("0 1"), ...Array(4).fill("2 3"), "4", "4"]);
  // Of cases that wait nothing is computed.
  expect(opened).toEqual([2, 2, 1]);
});

test("next tokens are asked for where they are needed: positions that may be visited, and where a response might end", async () => {
  const model = fakeModel(SCRIPT);
  const looked: (number | undefined)[] = [];
  const nextTokens: typeof model.nextTokens = (requests) => {
    looked.push(...requests.map(({ to }) => to));
    return model.nextTokens(requests);
  };
  const cases = [
    failed("abc", /^abg$/),
    failed("abc", /^abg$/, { maxTokens: 3 }),
    failed("abc", /^abg$/, { completionIds: [...ids("abc"), END] }),
  ];
  const [start, whole] = [PROMPT.length, PROMPT.length + 3];
  const few = await run(cases, { ...model, nextTokens }, { positions: 2 });
  expect(looked).toEqual([whole, start + 1, start + 1]);
  expect([...few.states.values()].map(({ visited }) => visited.length)).toEqual([2, 2, 2]);
  looked.length = 0;
  await run(cases, { ...model, nextTokens });
  expect(looked).toEqual([whole, whole, whole + 1]);
});

test("a search that was stopped goes on where it was", async () => {
  const one = failed("abc", /^abg$/);
  const script = { ...SCRIPT, "abg": "." };
  const whole = await run([one], fakeModel(script), { batch: 2 });
  const first = whole.waves[0]?.[0]?.state as SearchState;
  expect(first).toMatchObject({ phase: "own", next: 1 });
  const model = fakeModel(script);
  // As the database gives it back.
  const stored = JSON.parse(JSON.stringify(first)) as SearchState;
  const rest = await run([one], model, { batch: 2 }, { states: new Map([[one, stored]]) });
  expect(rest.outcomes.get(one)).toEqual(whole.outcomes.get(one));
  expect(rest.states.get(one)).toEqual(whole.states.get(one));
  expect(model.asked.flat().every(({ inputIds }) => inputIds.length > PROMPT.length)).toBe(true);
  // An exhausted search goes on with a sibling that is given later.
  const none = failed("abc", /^ai$/);
  const ended = await run([none], fakeModel(SCRIPT));
  const sibling = fakeModel({ "": "aef", "a": "icb", "ab": "cde", "abc": "." });
  const later = fakeModel(SCRIPT);
  const found = await run([none], later, {}, { sibling, states: ended.states });
  expect(found.outcomes.get(none)).toMatchObject({ kind: "clean", pair: { source: "sibling", position: 1 } });
  // Own alternatives that the sibling proposes too are known: only what is new is decoded.
  const tried = new Set(
    ended.states.get(none)?.visited.flatMap(({ tried }) => tried.map(({ completion }) => completion)),
  );
  const decoded = later.asked.flat().map(({ inputIds, force }) => TOKENIZER.decode([...inputIds.slice(2), force]));
  expect(decoded).toContain("ai");
  expect(decoded.filter((prefix) => [...tried].some((answer) => answer.startsWith(prefix)))).toEqual([]);
});

test("only so many positions are visited as are asked for, and the note says so", async () => {
  const one = failed("abc", /^ade$/);
  const { outcomes } = await run([one], fakeModel(SCRIPT), { positions: 1 });
  expect(outcomes.get(one)).toMatchObject({
    exclusion: "no_recovery",
    note: "2 alternatives at 1 of 4 positions, none passed",
  });
});

test("a rollout ends where it is certain to fail, and nothing is looked at behind such tokens", async () => {
  // Whatever has an "f" fails.
  const script: Script = {
    "": "abf",
    "a": "bcf",
    "ab": "fed",
    "abf": "cde",
    "b": "f",
    "bf": "a",
    "ac": "e",
    "abe": "c",
  };
  const answer = "abfc";
  const whole = failed(answer, /^ab[^f]*d$/, { maxTokens: 5 });
  const early = { ...whole, decided: () => Promise.resolve((begun: string) => begun.includes("f")) };
  const slow = await run([whole], fakeModel(script));
  const model = fakeModel(script);
  const fast = await run([early], model);
  const [own, all] = [fast.outcomes.get(early), slow.outcomes.get(whole)];
  expect(own).toMatchObject({ kind: "clean", pair: { position: 2, contrast: { id: idOf("d") } } });
  expect(own).toEqual(all);
  const tried = (state: SearchState | undefined) =>
    state!.visited.map(({ tried }) =>
      tried.map(({ text, completion, passed, endedEarly }) => [text, completion, passed, endedEarly])
    );
  expect(tried(slow.states.get(whole))[0]).toEqual([["b", "bfa", false, undefined], ["f", "f", false, undefined]]);
  expect(tried(fast.states.get(early))[0]).toEqual([["b", "bf", false, true], ["f", "f", false, true]]);
  // What a forced token decides is not decoded.
  expect(model.asked.flat().map(({ force }) => WORDS[force])).not.toContain("f");
  expect(fast.counts.tokens).toBeLessThan(slow.counts.tokens);

  // Without a passing alternative, the tokens behind the one that decides are not visited.
  const hopeless = { ...early, check: failed(answer, /x/).check };
  const { outcomes, states } = await run([hopeless], fakeModel(script));
  expect(outcomes.get(hopeless)).toEqual({
    kind: "excluded",
    exclusion: "no_recovery",
    note: "6 alternatives at 3 of 5 positions, none passed; with its first 3 tokens no response passes",
  });
  expect(states.get(hopeless)?.visited).toHaveLength(3);
});

test("a rollout that one case may end early is decoded to its end for another of the same prompt", async () => {
  const script: Script = { "": "ab", "a": "c", "b": "cd", "bc": "d", "bcd": "." };
  const [one, two] = [failed("a", /x/), failed("ac", /^bcd$/)];
  const early = { ...one, decided: () => Promise.resolve((begun: string) => begun.includes("bc")) };
  const { outcomes, states } = await run([early, two], fakeModel(script), { alternatives: 1 });
  expect(states.get(early)?.visited[0]?.tried).toMatchObject([{ completion: "bc", endedEarly: true }]);
  expect(outcomes.get(two)).toMatchObject({ kind: "clean", pair: { position: 0 } });
  expect(states.get(two)?.visited[0]?.tried).toEqual([
    { rank: 1, id: idOf("b"), text: "b", logit: 18, completion: "bcd", passed: true },
  ]);
});

test("tokens that closed a thought are not searched, and rollouts go on within its budget", async () => {
  const asked: [number, number][] = [];
  const thought = { budget: 2, ending: ids("i"), endOf: () => undefined };
  const thinking = {
    inserted: { from: 1, to: 2 },
    after: (before: readonly number[], room: number) => {
      asked.push([before.length, room]);
      return before.length < 1 ? { maxTokens: 4, thought } : { maxTokens: 5 - before.length };
    },
  };
  const one = failed("abc", /^abg$/, { thinking });
  const model = fakeModel(SCRIPT);
  const { outcomes, states } = await run([one], model, { batch: 2 });
  expect(outcomes.get(one)).toMatchObject({ kind: "clean", pair: { position: 2, contrast: { id: idOf("g") } } });
  expect(states.get(one)?.visited.map(({ position, tried }) => [position, tried.length])).toEqual([[0, 2], [1, 0], [
    2,
    2,
  ]]);
  expect(model.asked.flat().map((request) => [request.maxTokens, request.thought])).toEqual([
    [4, thought],
    [4, thought],
    [3, undefined],
    [3, undefined],
  ]);
  expect(asked).toEqual([[0, 28], [0, 28], [2, 26], [2, 26]]);
});
