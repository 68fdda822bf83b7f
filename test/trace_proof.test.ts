/** `culprit trace proof` on answers that the demo model gives itself: what it masks, what it counts, how it goes on. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Engine, type LoadedModel, loadTokenizer, openEngine, type Tokenizer } from "../gpu/mod.ts";
import { failureCases, models, tokenPairs } from "../schema/tables/tables.ts";
import { ROOT } from "../server/base/settings.ts";
import { type Checkers, openCheckers } from "../server/checkers/check.ts";
import { type MeasuredProof, PROOF_RANKINGS, proveCase } from "../server/traces/proof.ts";
import { provableCases } from "../server/traces/provable_cases.ts";
import { culprit, refused } from "./command_line.ts";
import { testDatabase } from "./database.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const SETTINGS = { rule: "attnlrp", replacement: "attention", counts: [1, 3], rollouts: 2, seed: 1 } as const;
const database = testDatabase();
let folder = "";
let engine: Engine;
let model: LoadedModel;
let tokenizer: Tokenizer;
let checkers: Checkers;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-proof-"));
  vi.stubEnv("DATABASE_URL", database.url);
  vi.stubEnv("CULPRIT_HOME", folder);
  engine = await openEngine();
  [model, tokenizer] = [await engine.loadModel(DEMO), await loadTokenizer(DEMO)];
  checkers = openCheckers();
  const found = await culprit(
    ["pairs", "--model", DEMO, "--collect", "demo-math", "--limit", "22", "--max-tokens", "64"],
  );
  expect(found.code, found.err).toBe(0);
});
afterAll(async () => {
  engine?.close();
  await checkers?.close();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function cases(error: "pair" | "answer", limit = 50) {
  const { db } = database.connection;
  const [row] = await db.select().from(models);
  return await provableCases(db, { benchmark: "demo-math", limit, seed: 1, error }, {
    checkers,
    tokenizer,
    model: { ...row!, loaded: model },
  });
}

/** "Maria has 13 coins and 16 pens. She gives away 12 pens. How many pens": "Maria has $13 - 12 = 1$ pens. [...] 1". */
const maria = async (error: "pair" | "answer") =>
  (await cases(error)).find(({ inputIds }) => tokenizer.decode(inputIds).includes("Maria has 13 coins"))!;

test("errors are the final answers of all failures, or the pairs that were found; a limit takes a part of the same order", async () => {
  const { db } = database.connection;
  const [answers, pairs] = [await cases("answer"), await cases("pair")];
  expect(answers).toHaveLength(await db.$count(failureCases));
  expect(pairs).toHaveLength(await db.$count(failureCases, eq(failureCases.status, "clean")));
  expect(pairs.length).toBeGreaterThan(0);
  expect((await cases("answer", 3)).map(({ key }) => key)).toEqual(answers.slice(0, 3).map(({ key }) => key));
  for (const { inputIds, error, searchCase } of answers) {
    const before = tokenizer.decode(inputIds.slice(0, error.at));
    const { detail } = await searchCase.check!(tokenizer.decode(searchCase.completionIds, { skipSpecial: true }));
    // Target and contrast are where the two answers part.
    const shared = /\\boxed\{(\d*)$/.exec(before)![1]!;
    expect(`${detail!["prediction"]}}`.slice(shared.length)).toMatch(tokenizer.token(error.target));
    expect(`${detail!["gold"]}}`.slice(shared.length)).toMatch(tokenizer.token(error.contrast));
  }
  const [one] = await db.select().from(tokenPairs).where(eq(tokenPairs.source, "search")).limit(1);
  expect(pairs.map(({ error }) => error.at)).toContain(one!.position);
});

test("masks and generated answers are what the engine says of them alone, and a greedy answer is not decoded again", async () => {
  const one = await maria("answer");
  const { inputIds, promptTokens, special, error, searchCase } = one;
  expect(tokenizer.decode(inputIds.slice(promptTokens, error.at))).toMatch(/^Maria has \$13 - 12 = 1\$ .*\\boxed\{$/);
  expect([error.target, error.contrast].map(tokenizer.token)).toEqual(["1", "4"]);
  const decoded: number[] = [];
  const counting: LoadedModel = {
    ...model,
    generate: (requests, options) => {
      decoded.push(requests.length);
      return model.generate(requests, options);
    },
  };
  const proof = await proveCase(counting, tokenizer, one, SETTINGS) as MeasuredProof;
  expect(proof.repeats).toBe(true);
  // All masks at once, each set of positions once.
  expect(decoded[0]).toBeLessThan(PROOF_RANKINGS.length * SETTINGS.counts.length);
  const before = inputIds.slice(0, error.at);
  const asked = { inputIds: before, target: error.target, contrast: error.contrast };
  const relevance = await model.attribute({ ...asked, rule: "attnlrp" });
  expect(proof.delta).toBeCloseTo(relevance.logitDifference, 4);
  const positions = Array.from({ length: promptTokens }, (_, at) => at).filter((at) => !special[at]);
  const first = positions.toSorted((a, b) => relevance.nodeRelevance[b]! - relevance.nodeRelevance[a]!);
  const plain = await model.attribute({ ...asked, rule: "gradient" });
  const gradient = positions.toSorted((a, b) => plain.nodeRelevance[b]! - plain.nodeRelevance[a]!);
  for (const [ranking, order] of [["direct-signed", first], ["gradient", gradient]] as const) {
    for (const [at, count] of SETTINGS.counts.entries()) {
      const hidden = order.slice(0, count);
      const [masked] = await model.score([{ ...asked, hidden }]);
      const [again] = await model.generate([{ inputIds: inputIds.slice(0, promptTokens), hidden, maxTokens: 64 }]);
      const { detail, passed } = await searchCase.check!(tokenizer.decode(again!.ids));
      const outcome = proof.rankings[ranking][at]!;
      expect(outcome.count).toBe(count);
      expect(outcome.delta).toBeCloseTo(masked!.logitDifference!, 4);
      expect([outcome.flipped, outcome.passed]).toEqual([detail!["prediction"] !== "1", passed]);
    }
  }
  expect(await proveCase(model, tokenizer, one, SETTINGS)).toEqual(proof);
});

test("the causal step is the one with the pair that brings the right answer back", async () => {
  const one = await maria("answer");
  const [pair] = (await cases("pair")).filter(({ key }) => key === one.key);
  expect(one.recovers).toBe(pair!.error.at);
  const proof = await proveCase(model, tokenizer, one, SETTINGS) as MeasuredProof;
  expect([proof.steps, proof.lostAt]).toEqual([2, 0]);
  expect(proof.places!.last).toBe(2);
  // Behind the pair nothing is known to be lost: there the model can still be brought back.
  expect((await proveCase(model, tokenizer, pair!, SETTINGS) as MeasuredProof).lostAt).toBe(null);
});

test("what a solution gave stays where the model writes again; what it does not write again is left out", async () => {
  const one = await maria("answer");
  const { inputIds, promptTokens } = one;
  // Where the completion goes wrong at its first token, nothing before it is given.
  const forced = tokenizer.encode("Maria has $13", { continues: true }).length;
  const given = await proveCase(model, tokenizer, { ...one, given: forced }, {
    ...SETTINGS,
    rollouts: 0,
  }) as MeasuredProof;
  const positions = Array.from({ length: promptTokens }, (_, at) => at).filter((at) => !one.special[at]);
  const { nodeRelevance } = await model.attribute({
    inputIds: inputIds.slice(0, one.error.at),
    target: one.error.target,
    contrast: one.error.contrast,
    rule: "attnlrp",
  });
  const [first] = positions.toSorted((a, b) => nodeRelevance[b]! - nodeRelevance[a]!);
  const [again] = await model.generate([{
    inputIds: inputIds.slice(0, promptTokens + forced),
    hidden: [first!],
    maxTokens: 64 - forced,
  }]);
  const answer = tokenizer.decode([...inputIds.slice(promptTokens, promptTokens + forced), ...again!.ids]);
  const { detail } = await one.searchCase.check!(answer);
  expect(given.rankings["direct-signed"][0]!.flipped).toBe(detail!["prediction"] !== "1");
  expect([given.lostAt, given.places]).toEqual([null, null]);
  const otherIds = tokenizer.encode("Maria has $9$ pens. The answer is $\\boxed{9}$.", { continues: true });
  const other = {
    ...one,
    inputIds: [...inputIds.slice(0, promptTokens), ...otherIds],
    special: [...one.special.slice(0, promptTokens), ...otherIds.map(() => false)],
    searchCase: { ...one.searchCase, completionIds: otherIds },
  };
  expect(await proveCase(model, tokenizer, other, SETTINGS)).toEqual({ key: one.key, repeats: false });
});

test("culprit trace and its plan take a stored case by its key", async () => {
  const [one] = await cases("pair");
  const { inputIds, promptTokens, error } = one!;
  const found = await culprit(["trace", "--case", one!.key, "--json"]);
  expect(found.code, found.err).toBe(0);
  const trace = JSON.parse(found.out);
  expect(trace).toMatchObject({ promptTokens, inputIds: inputIds.slice(0, error.at), rule: "attnlrp" });
  expect([trace.error.target.id, trace.error.contrast.id]).toEqual([error.target, error.contrast]);
  // The same as typed.
  const [ids, completion] = [join(folder, "ids.json"), join(folder, "completion.json")];
  await writeFile(ids, JSON.stringify(inputIds.slice(0, promptTokens)));
  await writeFile(completion, JSON.stringify(inputIds.slice(promptTokens)));
  const typed = await culprit([
    ...["trace", "--model", DEMO, "--ids", ids, "--completion", completion, "--at", `${error.at - promptTokens}`],
    ...["--contrast", `${error.contrast}`, "--json"],
  ]);
  const { seconds: _seconds, ...same } = JSON.parse(typed.out);
  expect(trace).toMatchObject(same);
  const plan = await culprit(["plan", "trace", "--case", one!.key, "--model", "demo-1m", "--json"]);
  expect(JSON.parse(plan.out).fits).toBe(true);
  await refused(
    ["trace", "--case", "none"],
    /^--case: there is no failure case "none"; give the key of one that is stored/,
  );
  await refused(["trace", "--case", one!.key, "--chat", "a"], /^--chat: has no place beside --case, which brings all/);
});

test("--rollouts tells from which step of a stored case on the right answer is out of reach", async () => {
  const one = await maria("pair");
  const found = await culprit(["trace", "--case", one.key, "--rollouts", "2", "--json"]);
  expect(found.code, found.err).toBe(0);
  const { reach, lostAt, steps, inputIds, promptTokens } = JSON.parse(found.out);
  expect(reach.map(({ step }: { step: number | null }) => step)).toEqual([null, ...steps.keys()]);
  for (const { step, rollouts, completion } of reach) {
    const before: number[] = inputIds.slice(0, step === null ? promptTokens : steps[step].end);
    const [ranked] = await model.nextTokens([{ inputIds: before, from: before.length - 1, top: 2 }]);
    expect(rollouts.map(({ id }: { id: number }) => id)).toEqual(ranked![0]!.map(({ id }) => id));
    const passed = [];
    for (const { id } of rollouts) {
      const written = [...before.slice(promptTokens), id];
      const [rest] = await model.generate([{
        inputIds: [...before, id],
        maxTokens: one.searchCase.maxTokens - written.length,
      }]);
      const answer = tokenizer.decode([...written, ...rest!.ids], { continues: true });
      passed.push((await one.searchCase.check!(answer)).passed);
    }
    expect(rollouts.map((rollout: { passed: boolean }) => rollout.passed)).toEqual(passed);
    expect(completion !== null).toBe(passed.includes(true));
  }
  const lastRight = reach.findLastIndex(({ completion }: { completion: string | null }) => completion !== null);
  expect(lostAt).toBe(lastRight < 0 ? null : reach[lastRight + 1]?.step ?? null);
  const table = await culprit(["trace", "--case", one.key, "--rollouts", "2"]);
  expect(table.out.replaceAll(/\s+/g, " ")).toMatch(/; from the prompt's end \d of 2 continuations are right Steps by/);
  for (const line of table.out.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  await refused(["trace", "--case", one.key, "--rollouts", "11"], /^--rollouts: 11 are too many; give 10 at most/);
  await refused(
    ["trace", "--model", DEMO, "--chat", "a", "--completion", "b c", "--rollouts", "2"],
    /^--rollouts: nothing checks what was typed; give a stored failure by --case/,
  );
  const { db } = database.connection;
  const [stored] = await db.select().from(failureCases).where(eq(failureCases.key, one.key));
  await db.update(failureCases).set({ item: null }).where(eq(failureCases.key, one.key));
  await refused(
    ["trace", "--case", one.key, "--rollouts", "2"],
    /^--rollouts: nothing checks the answers of ".*"; give/,
  );
  await db.update(failureCases).set({ item: stored!.item }).where(eq(failureCases.key, one.key));
});

test("a run goes on behind what is there, and says how far it is", async () => {
  const results = join(folder, "proof.jsonl");
  const args = ["trace", "proof", "--model", "demo-1m", "--benchmark", "demo-math", "--error", "answer"];
  const short = [...args, "--counts", "1,2", "--rollouts", "0", "--results", results];
  const first = await culprit([...short, "--limit", "2"]);
  expect(first.code, first.err).toBe(0);
  expect(first.err).toMatch(/1\/2 demo-math\/.*: \d+ steps, \d+ s, \d+ s left\n2\/2 demo-math\/.*: \d+ steps, \d+ s\n/);
  expect(first.out).toMatch(/^2 failures\n\nFinal answer is another when generated again, by tokens masked/);
  for (const ranking of PROOF_RANKINGS) expect(first.out).toContain(`\n${ranking} `);
  for (const line of first.out.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  const lines = (await readFile(results, "utf8")).trim().split("\n");
  // The second was being written when it was stopped.
  await writeFile(results, [lines[0], lines[1], lines[2]!.slice(0, 40)].join("\n"));
  const second = await culprit([...short, "--limit", "3", "--json"]);
  expect(second.err).not.toMatch(/1\/3 /);
  expect(second.err).toMatch(/2\/3 .*\n3\/3 /);
  const after = (await readFile(results, "utf8")).trim().split("\n");
  expect(after).toHaveLength(4);
  expect(after.slice(0, 3)).toEqual(lines);
  const last = JSON.parse(second.out.trim().split("\n").at(-1)!);
  expect(last).toMatchObject({ kind: "summary", settings: { counts: [1, 2] }, summary: { cases: 3, unrepeated: 0 } });
  const others = await culprit([...short, "--seed", "2"]);
  expect([others.code, others.err]).toEqual([2, expect.stringContaining("was made with other settings; name another")]);
  // Lines that are no proofs are computed again, and what is no file of proofs stays as it is.
  await writeFile(results, `${lines[0]}\n${lines[1]}\nnull\n{"key":1}\n${lines[2]!.replace('"steps"', '"stairs"')}\n`);
  const third = await culprit([...short, "--limit", "2"]);
  expect([third.code, third.out], third.err).toEqual([0, first.out]);
  const strange = join(folder, "strange.jsonl");
  const ends = async (path: string, message: RegExp) => {
    const { code, err } = await culprit([...args, "--results", path]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  };
  for (const text of ["hello\n", "null\n", '{"model":1}\n']) {
    await writeFile(strange, text);
    await ends(strange, /strange\.jsonl: is no file of proofs; name another file by --results/);
    expect(await readFile(strange, "utf8")).toBe(text);
  }
  await ends(folder, /: cannot be read \(EISDIR\); name a file/);
  await ends(join(strange, "a.jsonl"), /: cannot be (read|written) \(E\w+\); name a/);
  const none = await culprit(["trace", "proof", "--model", "demo-1m", "--benchmark", "none", "--error", "answer"]);
  expect(none.code).toBe(2);
  expect(none.err).toMatch(
    /--benchmark: demo-1m has no failed response to none with a wrong final answer; collect responses/,
  );
  await refused([...args.slice(0, 6), "--error", "end"], /^--error: there is no such place; give one of: pair, answer/);
});
