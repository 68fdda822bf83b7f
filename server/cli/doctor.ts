/** `culprit doctor`: what this machine computes on, whether its numbers are right, and how fast it is. */
import {
  type AdapterCheck,
  type AdapterSpeed,
  describeBytes,
  type Engine,
  type FoundAdapter,
  InputError,
  openModelDirectory,
  type RunPlan,
} from "../../gpu/mod.ts";
import { locateForVerb, MODEL_OPTIONS } from "./locate.ts";
import { describePlan } from "./plan.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import { hang, textTable } from "./text_table.ts";

export const verb: Verb = {
  name: "doctor",
  summary: "Checks this machine: its adapters, their numbers against golden models, their speed",
  usage: "doctor [--model MODEL] [--json]",
  example: "npx culprit doctor --model Qwen/Qwen3-0.6B",
  options: MODEL_OPTIONS,
  run,
};

/** Tokens of the attribution that is planned with --model. */
const PLANNED_TOKENS = 500;

/** What was found; what could not be looked at is empty, or null. */
interface Findings {
  readonly adapters: readonly FoundAdapter[];
  readonly check: AdapterCheck | null;
  readonly speed: AdapterSpeed | null;
  readonly plan: RunPlan | undefined;
  /** Why there is no check. */
  readonly failure: string | undefined;
}

async function run(context: VerbContext): Promise<void> {
  if (context.positionals.length > 0) {
    throw new InputError(
      `${JSON.stringify(context.positionals[0])} is not an option`,
      "culprit doctor",
      "leave it out",
    );
  }
  const text = optionText(context, "model");
  const model = text === undefined ? undefined : (await locateForVerb(context, text)).path;
  const findings = await examine(context, model);
  await context.out(context.json ? `${JSON.stringify(findingsJson(findings))}\n` : describe(findings));
  if (findings.failure !== undefined) throw new Error(findings.failure);
  if (findings.check?.holds !== true) {
    throw new Error("the adapter computes wrong numbers; update its driver, or set CULPRIT_ADAPTER to another one");
  }
}

async function examine(context: VerbContext, model: string | undefined): Promise<Findings> {
  const { openEngine, surveyAdapters } = await import("../../gpu/mod.ts");
  const wanted = Deno.env.get("CULPRIT_ADAPTER") || undefined;
  let engine: Engine | undefined;
  try {
    engine = await openEngine();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const adapters = await surveyAdapters(undefined, wanted);
    return { adapters, check: null, speed: null, plan: undefined, failure: error.message };
  }
  try {
    const adapters = await surveyAdapters(engine.adapter, wanted);
    const plan = model === undefined ? undefined : await planModel(engine, model);
    context.signal.throwIfAborted();
    try {
      const check = await engine.check();
      context.signal.throwIfAborted();
      return { adapters, check, speed: await engine.measureSpeed(), plan, failure: undefined };
    } catch (error) {
      context.signal.throwIfAborted();
      // A driver that refuses its work is what this verb is for.
      const failure = `the adapter fails: ${error instanceof Error ? error.message : String(error)}`;
      return { adapters, check: null, speed: null, plan, failure };
    }
  } finally {
    engine.close();
  }
}

async function planModel(engine: Engine, model: string): Promise<RunPlan> {
  const opened = await openModelDirectory(model);
  opened.close();
  const inputIds = new Array<number>(Math.min(PLANNED_TOKENS, opened.config.maxPositions)).fill(0);
  return await engine.plan(model, {
    kind: "attribute",
    requests: [{ inputIds, target: 0, contrast: 1, rule: "attnlrp" }],
  });
}

/** As printed with --json. */
function findingsJson({ adapters, check, speed, plan }: Findings) {
  return {
    adapters,
    golden: check?.golden ?? [],
    conservation: check?.conservation ?? null,
    product: check?.product ?? null,
    gflops: speed?.gflops ?? null,
    estimates: speed?.estimates ?? [],
    ...(plan === undefined ? {} : { plan }),
    holds: check?.holds ?? false,
  };
}

function describe({ adapters, check, speed, plan }: Findings): string {
  const rows = adapters.map((one) => [one.chosen ? "*" : "", one.name, one.kind, one.why]);
  const parts = [textTable(rows, { right: () => false }).trimEnd()];
  if (check) parts.push(describeCheck(check));
  if (speed) parts.push(describeSpeed(speed));
  if (plan) parts.push(`the model, ${PLANNED_TOKENS} tokens at most\n${describePlan(plan).trimEnd()}`);
  if (check) parts.push(check.holds ? "all checks hold" : "SOME CHECKS DO NOT HOLD");
  return `${parts.join("\n\n")}\n`;
}

function describeCheck({ golden, conservation, product }: AdapterCheck): string {
  const rows = [
    ...golden.map(({ model, rule, ...value }) => [`${model}, ${rule}, against LXT`, value] as const),
    ["CP-LRP's relevance sums to the logit difference", conservation] as const,
    ["products against plain TypeScript", product] as const,
  ];
  const cells = rows.map((
    [text, { error, holds }],
  ) => [text, `off by ${error.toExponential(1)}`, holds ? "holds" : "DOES NOT HOLD"]);
  return textTable(cells, { right: () => false }).trimEnd();
}

function describeSpeed({ gflops, estimates }: AdapterSpeed): string {
  const rows = estimates.map(({ parameters, tokens, seconds, weightBytes, fits }) =>
    hang(
      `  ${(parameters / 1e9).toFixed(1).padStart(4)} billion parameters, ${tokens} tokens: about ` +
        `${time(seconds)}; weights in bf16 ${describeBytes(weightBytes)}${fits === false ? ", which do not fit" : ""}`,
      9,
    )
  );
  return `${gflops} GFLOP/s in the best product\n(an attribution takes about twice as long as its products would)\n` +
    rows.join("\n");
}

function time(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
