/** `culprit check`: verdicts of a benchmark's checker on given outputs. Each benchmark's own file reads its inputs. */
import { InputError } from "../../gpu/mod.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "check",
  summary: "Checks given outputs with a benchmark's checker",
  usage:
    "check --benchmark ifeval|math|gsm8k|humaneval (--items FILE --responses FILE | --pairs FILE) [--timeout 10] [--json]",
  example: "npx culprit check --benchmark ifeval --items input_data.jsonl --responses responses.jsonl",
  options: {
    benchmark: { type: "string", value: "NAME", help: "ifeval, math, gsm8k or humaneval (EvalPlus too)" },
    items: { type: "string", value: "FILE", help: "ifeval, gsm8k, humaneval: the benchmark's own JSON lines" },
    responses: {
      type: "string",
      value: "FILE",
      help:
        'lines of {"prompt","response"} (ifeval), {"question","response"} (gsm8k) or {"task_id","completion"} (humaneval)',
    },
    pairs: { type: "string", value: "FILE", help: 'math: lines of {"gold","prediction"}, final answers' },
    timeout: { type: "string", value: "SECONDS", help: "humaneval: longest run of one program (default: 10)" },
  },
  run,
};

/** What each benchmark reads and prints; `takes` are the options that it knows. */
const BENCHMARKS: Readonly<
  Record<string, {
    readonly takes: readonly string[];
    readonly load: () => Promise<{ readonly run: (context: VerbContext, verb: Verb) => Promise<void> }>;
  }>
> = {
  ifeval: { takes: ["items", "responses"], load: () => import("./check_ifeval.ts") },
  math: { takes: ["pairs"], load: () => import("./check_math.ts") },
  gsm8k: { takes: ["items", "responses"], load: () => import("./check_gsm8k.ts") },
  humaneval: { takes: ["items", "responses", "timeout"], load: () => import("./check_humaneval.ts") },
};

async function run(context: VerbContext): Promise<void> {
  const name = requiredText(context, verb, "benchmark");
  const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
  if (benchmark === undefined) {
    const known = Object.keys(BENCHMARKS).join(", ");
    throw new InputError(
      `${JSON.stringify(name)} is no benchmark with a checker`,
      "--benchmark",
      `give one of: ${known}`,
    );
  }
  const [extra] = context.positionals;
  if (extra !== undefined) {
    throw new InputError(`${JSON.stringify(extra)} is not an option`, "culprit check", "give files by their options");
  }
  for (const option of ["items", "responses", "pairs", "timeout"]) {
    if (context.values[option] !== undefined && !benchmark.takes.includes(option)) {
      const takes = benchmark.takes.map((taken) => `--${taken}`).join(", ");
      throw new InputError(`is not for --benchmark ${name}`, `--${option}`, `leave it out; ${name} takes ${takes}`);
    }
  }
  await (await benchmark.load()).run(context, verb);
}
