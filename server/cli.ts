/**
 * The command line. `main` finds the verb, reads its options and turns what it throws into an exit code:
 * 0 done, 1 the work failed, 2 bad arguments or bad input.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { InputError, openEngine } from "../gpu/mod.ts";
import type { Verb, VerbContext, VerbOption } from "./cli/verb.ts";
import { hang, textTable, usageParts, wrap } from "./cli/text_table.ts";
import { noteUnheldRejections } from "./database/unheld_rejections.ts";

/** Where each verb lives. A file is loaded when its verb runs, or for the list of verbs. */
const VERBS: Readonly<Record<string, () => Promise<{ readonly verb: Verb }>>> = {
  "inspect": () => import("./cli/inspect.ts"),
  "tokenize": () => import("./cli/tokenize.ts"),
  "generate": () => import("./cli/generate.ts"),
  "ask": () => import("./cli/ask.ts"),
  "attribute": () => import("./cli/attribute.ts"),
  "graph": () => import("./cli/graph.ts"),
  "trace": () => import("./cli/trace.ts"),
  "trace proof": () => import("./cli/trace_proof.ts"),
  "plan attribute": async () => ({ verb: (await import("./cli/plan.ts")).planAttribute }),
  "plan graph": async () => ({ verb: (await import("./cli/plan.ts")).planGraph }),
  "plan trace": async () => ({ verb: (await import("./cli/plan.ts")).planTrace }),
  "mask": () => import("./cli/mask.ts"),
  "diagnose": () => import("./cli/diagnose.ts"),
  "doctor": () => import("./cli/doctor.ts"),
  "serve": () => import("./cli/serve.ts"),
  "mcp": () => import("./cli/mcp.ts"),
  "worker": () => import("./cli/worker.ts"),
  "backup": () => import("./cli/backup.ts"),
  "restore": () => import("./cli/restore.ts"),
  "model add": () => import("./cli/model.ts"),
  "model pull": () => import("./cli/model_pull.ts"),
  "import": () => import("./cli/import.ts"),
  "check": () => import("./cli/check.ts"),
  "mark": () => import("./cli/mark.ts"),
  "prompts": () => import("./cli/prompts.ts"),
  "collect": () => import("./cli/collect.ts"),
  "pairs": () => import("./cli/pairs.ts"),
  "study": () => import("./cli/study.ts"),
  "run": () => import("./cli/run.ts"),
  "export cases": async () => ({ verb: (await import("./cli/export.ts")).exportCases }),
  "export graphs": async () => ({ verb: (await import("./cli/export.ts")).exportGraphs }),
  "export disagreements": async () => ({ verb: (await import("./cli/export_disagreements.ts")).exportDisagreements }),
  "export report": async () => ({ verb: (await import("./cli/export_report.ts")).exportReport }),
  "export preferences": async () => ({ verb: (await import("./cli/export_preferences.ts")).exportPreferences }),
};

/** Options that every verb has. */
const COMMON: Readonly<Record<string, VerbOption>> = {
  json: { type: "boolean", help: "print JSON only on standard output" },
  verbose: { type: "boolean", help: "show stack traces of errors" },
  help: { type: "boolean", help: "show this help" },
};

/** What the command line touches of the process; tests bring their own. */
export type CommandLine = Omit<VerbContext, "values" | "positionals" | "json" | "verbose">;

/** Runs one command and returns its exit code. Never throws: each error becomes one line of `note`. */
export async function main(args: readonly string[], line: CommandLine): Promise<number> {
  // Read by hand: a wrong option must still find out whether stack traces are wanted.
  const verbose = args.includes("--verbose");
  try {
    await run(args, line);
    return 0;
  } catch (error) {
    return report(error, line.note, verbose);
  }
}

/** Writes one line about an error, and its stack when asked for. Returns the exit code. */
function report(error: unknown, note: CommandLine["note"], verbose: boolean): number {
  const text = error instanceof Error ? error.message || error.name : String(error);
  note(`${text.trim().replaceAll(/\s*\n\s*/g, " ")}\n`);
  if (verbose && error instanceof Error) note(`${error.stack}\n`);
  return error instanceof InputError ? 2 : 1;
}

async function run(args: readonly string[], line: CommandLine): Promise<void> {
  if (args[0] === "--help" || args[0] === "-h" || args[0] === "help") return await line.out(await listVerbs());
  const name = findVerb(args);
  const { verb } = await VERBS[name]!();
  const rest = args.slice(name.split(" ").length);
  if (rest.includes("--help")) return await line.out(describe(verb));
  const { values, positionals } = parse(verb, rest);
  await verb.run({ ...line, values, positionals, json: values["json"] === true, verbose: values["verbose"] === true });
}

function findVerb(args: readonly string[]): string {
  // The longest name first: "model add" before a verb "model".
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(" ");
    if (Object.hasOwn(VERBS, name)) return name;
  }
  // "export" alone: the second word is missing or wrong.
  const family = Object.keys(VERBS).filter((name) => name.startsWith(`${args[0]} `));
  if (family.length > 0) {
    const words = args.slice(0, args[1]?.startsWith("-") ? 1 : 2).join(" ");
    throw new InputError(`there is no verb ${JSON.stringify(words)}`, "culprit", `give one of: ${family.join(", ")}`);
  }
  throw new InputError(
    args.length === 0 ? "no verb is given" : `there is no verb ${JSON.stringify(args[0])}`,
    "culprit",
    `give one of: ${Object.keys(VERBS).join(", ")}; npx culprit --help tells about them`,
  );
}

function parse(verb: Verb, args: readonly string[]): Pick<VerbContext, "values" | "positionals"> {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean; default?: string | boolean }> = {};
  for (const [name, option] of Object.entries({ ...verb.options, ...COMMON })) {
    const { type, multiple } = option;
    options[name] = {
      type,
      ...(multiple === undefined ? {} : { multiple }),
      ...(option.default === undefined ? {} : { default: option.default }),
    };
  }
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true }) as Pick<
      VerbContext,
      "values" | "positionals"
    >;
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    // Node's advice is long and does not fit here.
    const text = message.replaceAll(/\s+/g, " ").replace(/\. .*$/, "").replace(/\.$/, "");
    const ambiguous = code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE" && /'(--[^' ]+)/.exec(message)?.[1];
    const value = ambiguous ? args[args.indexOf(ambiguous) + 1] : undefined;
    if (ambiguous && value?.startsWith("-")) {
      throw new InputError(
        `the value ${JSON.stringify(value)} begins with a dash, like an option`,
        ambiguous,
        `write ${ambiguous}=${value} if it is meant`,
      );
    }
    throw new InputError(text, `culprit ${verb.name}`, `npx culprit ${verb.name} --help shows the options`);
  }
}

async function listVerbs(): Promise<string> {
  const verbs = await Promise.all(Object.values(VERBS).map((load) => load()));
  const rows = verbs.map(({ verb }) => [verb.name, verb.summary] as const);
  return `usage: npx culprit VERB [options]\n\n${table(rows)}\nEach verb has --help with an example.\n` +
    "Exit codes: 0 done, 1 the work failed, 2 bad arguments or bad input.\n";
}

function describe(verb: Verb): string {
  const rows = Object.entries({ ...verb.options, ...COMMON }).map(([name, option]) => {
    const value = option.type === "string" ? ` ${option.value ?? "VALUE"}` : "";
    const standard = option.default === undefined ? "" : ` (default: ${option.default})`;
    return [`--${name}${value}`, `${option.help}${standard}`] as const;
  });
  const usage = hang("", "usage: ".length, ["usage: npx culprit", ...usageParts(verb.usage)]);
  return `${wrap(verb.summary).join("\n")}\n\n${usage}\n\n${table(rows)}\nexample:\n  ${
    // A shell joins the lines again.
    hang("", 4, usageParts(verb.example)).replaceAll("\n", " \\\n")}\n`;
}

const table = (rows: readonly (readonly [string, string])[]): string =>
  textTable(rows, { right: () => false, indent: 2 });

/** How long the work may take to end by itself after Ctrl-C, in milliseconds. */
const INTERRUPT_MS = 1800;

function endInterrupted(): never {
  console.error("interrupted by SIGINT");
  // Not Deno's own: it would not tell those who have something to end at once (the embedded database).
  process.exit(1);
}

/** The real process. */
function processLine(): CommandLine {
  const interrupt = new AbortController();
  let firstSignalMs: number | undefined;
  // Windows knows no SIGTERM; Ctrl-Break is what it has for it.
  for (const signal of Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      // One Ctrl-C may arrive twice: from the terminal, and forwarded by the launcher. A later one does not wait.
      const now = performance.now();
      if (firstSignalMs !== undefined && now - firstSignalMs > 500) process.exit(1);
      firstSignalMs ??= now;
      // A person does not wait for what is slow to end: a driver that compiles, a task that is handed back.
      if (signal === "SIGINT" && !interrupt.signal.aborted) setTimeout(endInterrupted, INTERRUPT_MS);
      interrupt.abort(new Error(`interrupted by ${signal}`));
    });
  }
  return {
    stdin: Deno.stdin.readable,
    out: async (text) => {
      const bytes = new TextEncoder().encode(text);
      try {
        for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
      } catch (error) {
        // The reader has seen enough, as in `culprit ... | head`.
        if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
        throw error;
      }
    },
    note: (text) => {
      const bytes = new TextEncoder().encode(text);
      for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
    },
    colour: Deno.stdout.isTerminal() && !Deno.noColor,
    progress: Deno.stderr.isTerminal(),
    interactive: Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
    openEngine,
    signal: interrupt.signal,
  };
}

if (import.meta.main) {
  const line = processLine();
  noteUnheldRejections(
    (text) => line.note(`${text}\n`),
    (reason) => Deno.exit(report(reason, line.note, Deno.args.includes("--verbose"))),
  );
  // Exits by itself, since a process with a live GPU device would stay.
  Deno.exit(await main(Deno.args, line));
}
