/**
 * What a study's two dear parts take: masking experiments and searches of token pairs, case by case in this process.
 *
 *   deno run -A test/bench/studies.ts MODEL --cases FILE --mask N [--replacements remove,attention] [--out FILE]
 *   deno run -A test/bench/studies.ts MODEL --answers FILE --items FILE --search N [--alternatives 3] [--positions 2]
 *     [--batch 32] [--max-tokens N] [--out FILE]
 *
 * Cases are culprit/1 lines, answers lines {"benchmark","key","task","passed","promptIds","completionIds","maxTokens"} as
 * in docs/in-the-wild; both may be gzipped, and --skip leaves out the first ones. Prints a JSON line for each masked case
 * and one for the search of all: processor time (user and system, in which a software adapter computes) and time by the
 * clock. --max-tokens cuts answers and rollouts. --out writes what came of them, so that two commits can be compared: both
 * have to run this file. With --profile what each kernel takes of the processors comes on standard error.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { openDevice } from "../../gpu/device/dawn.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { InputError, type LoadedModel, loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { checkItemOf, readItems } from "../../server/benchmarks/items.ts";
import { isControl } from "../../server/cases/segments.ts";
import { openCheckers } from "../../server/checkers/check.ts";
import { MASKING_DEFAULTS, runMasking } from "../../server/masking/experiment.ts";
import type { MaskingCase } from "../../server/masking/masking_case.ts";
import { type CaseUpdate, SEARCH_START, type SearchCase } from "../../server/search/criterion.ts";
import { searchPairs } from "../../server/search/search.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";
import { profileKernels } from "./profile.ts";

interface CaseLine {
  readonly key: string;
  readonly benchmark: string;
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  readonly target: { readonly id: number };
  readonly contrast: { readonly id: number };
}

interface AnswerLine {
  readonly key: string;
  readonly task: string;
  readonly passed: boolean | null;
  readonly promptIds: readonly number[];
  readonly completionIds: readonly number[];
  readonly maxTokens: number;
}

function linesOf<Line>(path: string): Line[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as Line);
}

/** What `work` gives, and the seconds that it took. */
async function timed<Result>(work: () => Promise<Result>) {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, processorSeconds: (user + system) / 1e6, seconds: (performance.now() - start) / 1000 };
}

const { values, positionals: [path] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    cases: { type: "string" },
    answers: { type: "string" },
    items: { type: "string" },
    mask: { type: "string", default: "0" },
    search: { type: "string", default: "0" },
    skip: { type: "string", default: "0" },
    replacements: { type: "string", default: "remove,attention" },
    alternatives: { type: "string", default: "3" },
    positions: { type: "string", default: "2" },
    batch: { type: "string", default: "32" },
    "max-tokens": { type: "string", default: "100000" },
    out: { type: "string" },
    profile: { type: "boolean", default: false },
  },
});
if (!path || !(values.cases || values.answers && values.items)) {
  throw new InputError("it takes a model, and cases or answers with items", "studies", "see the top of the file");
}
const results: unknown[] = [];
const say = (line: object) => console.log(JSON.stringify({ ...line, machine: machineName(), load: oneMinuteLoad() }));

async function mask(model: LoadedModel, tokenizer: Tokenizer): Promise<void> {
  const lines = linesOf<CaseLine>(values.cases as string).filter(({ benchmark }) => benchmark === "ifeval");
  const settings = {
    ...MASKING_DEFAULTS,
    replacements: values.replacements.split(",") as (typeof MASKING_DEFAULTS)["replacements"],
    neutral: tokenizer.single(" ", "neutral"),
  };
  const cases = lines.slice(Number(values.skip), Number(values.skip) + Number(values.mask)).map((line): MaskingCase => {
    const { key, inputIds, promptTokens, target, contrast } = line;
    const special = inputIds.map((id, position) => isControl(tokenizer, position, id));
    return { key, inputIds, promptTokens, special, target: target.id, contrast: contrast.id };
  });
  // Kernels are compiled once in a study: a small experiment does it before any is timed.
  await runMasking(model, cases.slice(0, 1), { ...settings, budget: 1, seeds: [1], rankings: ["attnlrp", "cplrp"] });
  profile?.reset();
  for (const one of cases) {
    const { key, inputIds } = one;
    const { result, ...took } = await timed(() => runMasking(model, [one], settings));
    results.push(...result.curves);
    say({ name: "masking", key, tokens: inputIds.length, curves: result.curves.length, ...took });
  }
}

async function search(model: LoadedModel, tokenizer: Tokenizer): Promise<void> {
  const items = await readItems(values.items as string, values.items as string);
  const checkers = openCheckers();
  const failed = linesOf<AnswerLine>(values.answers as string).filter(({ passed }) => passed === false);
  const cases = failed.slice(Number(values.skip), Number(values.skip) + Number(values.search)).map((line) => {
    const item = checkItemOf(items.find(line.task)!)!;
    const { key, promptIds } = line;
    const maxTokens = Math.min(line.maxTokens, Number(values["max-tokens"]));
    const completionIds = line.completionIds.slice(0, maxTokens);
    const check = (response: string) => checkers.check(item, response);
    const decided = () => checkers.decided(item);
    const searchCase: SearchCase = { key, promptIds, completionIds, maxTokens, check, decided };
    return { searchCase, state: SEARCH_START };
  });
  const decided: CaseUpdate<SearchCase>[] = [];
  const { result: counts, ...took } = await timed(() =>
    searchPairs(cases, {
      alternatives: Number(values.alternatives),
      positions: Number(values.positions),
      positionRule: "recovering",
      batch: Number(values.batch),
    }, {
      model: {
        endIds: model.config.eosIds,
        maxPositions: model.config.maxPositions,
        nextTokens: (requests) => model.nextTokens(requests),
        rollouts: (requests) => model.generate(requests),
        logits: (inputIds) => model.logits(inputIds),
      },
      tokenizer,
      onWave: (updates) => {
        decided.push(...updates.filter(({ outcome }) => outcome !== undefined));
        return Promise.resolve();
      },
    })
  );
  await checkers.close();
  results.push(...decided.map(({ searchCase: { key }, state, outcome }) => ({ key, state, outcome })));
  say({ name: "search", cases: cases.length, ...counts, ...took });
}

const device = await openDevice();
const profile = values.profile ? profileKernels(device) : null;
const model = await loadModel(profile?.device ?? device, path);
const tokenizer = await loadTokenizer(path);
if (values.cases) await mask(model, tokenizer);
if (values.answers) await search(model, tokenizer);
profile?.print();
if (values.out) writeFileSync(values.out, results.map((result) => `${JSON.stringify(result)}\n`).join(""));
Deno.exit(0);
