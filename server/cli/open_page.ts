/** Opens the explanation of a prompt in the page: of the server that runs, or of one that is started for it. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { type AttributionResult, InputError } from "../../gpu/mod.ts";
import { readSettings } from "../base/settings.ts";
import { type Api, createApi } from "../mcp/api.ts";
import { EXPLAIN, READ_EXPLAINED } from "../mcp/documents.ts";
import { followJob } from "../mcp/follow_job.ts";
import { progressBar } from "./progress.ts";
import { optionText, type VerbContext } from "./verb.ts";

const ADD_MODEL = `mutation AddAsked($input: AddModelInput!) {
  addModel(input: $input) { ... on Model { name } ... on InputError { problem: message } }
}`;

/** Throws InputError for what the page cannot show, before anything is computed. */
export function checkCanOpen(context: VerbContext): void {
  if ((optionText(context, "objective") ?? "contrast") !== "contrast") {
    throw new InputError("the page explains one token against another", "--open", "leave --objective out");
  }
  if (optionText(context, "ids") === undefined) return;
  throw new InputError("the page explains texts", "--open", "give --prompt or --chat instead of --ids");
}

/** Explains what was attributed in the page as well, and opens it. A server that was started stays until Ctrl-C. */
export async function openInPage(context: VerbContext, result: AttributionResult): Promise<void> {
  const settings = readSettings();
  const token = process.env["CULPRIT_TOKEN"]?.trim();
  const apiAt = (address: string) =>
    createApi(address, fetch, { page: address, ...(token ? { headers: { authorization: `Bearer ${token}` } } : {}) });
  const running = `http://localhost:${settings.port}`;
  const answers = await fetch(`${running}/health`, { signal: AbortSignal.timeout(2000) })
    .then(async (response) => (await response.text()).includes('"ok"'), () => false);
  if (answers) return await showIn(context, apiAt(running), result);
  const { startServer } = await import("../serve.ts");
  const server = await startServer(settings, { worker: true });
  try {
    await showIn(context, apiAt(server.address), result);
    context.note("the page is there until Ctrl-C\n");
    await new Promise<void>((done) => {
      if (context.signal.aborted) done();
      context.signal.addEventListener("abort", () => done());
    });
  } finally {
    await server.stop();
  }
}

async function showIn(context: VerbContext, api: Api, result: AttributionResult): Promise<void> {
  const { signal, values } = context;
  const named = optionText(context, "model")!;
  const adapters = ((values["lora"] ?? []) as readonly string[]).map((path) => resolve(path));
  const { addModel } = await api.ask<{ addModel: { name: string } }>(
    ADD_MODEL,
    // What is no path here is a hub's id.
    { input: { directory: existsSync(named) ? resolve(named) : named, ...adapters.length > 0 ? { adapters } : {} } },
    signal,
  );
  const input = {
    model: addModel.name,
    chat: optionText(context, "chat"),
    prompt: optionText(context, "prompt"),
    prefix: optionText(context, "prefix"),
    target: { id: result.target.id },
    contrast: { id: result.contrast.id },
    rule: result.rule.toUpperCase(),
  };
  const { explain } = await api.ask<{ explain: { failureCase: { id: string }; job: { id: string } } }>(
    EXPLAIN,
    { input },
    signal,
  );
  const bar = progressBar(context);
  const tell = ({ done, total, message }: { done: number; total: number; message: string }) =>
    bar.update({ phase: "page", done, total, detail: message });
  await followJob({ api, signal, tell }, explain.job.id).finally(bar.end);
  const { job } = await api.ask<{ job: { attributions: { nodes: readonly { tokenPair: { id: string } }[] } } }>(
    READ_EXPLAINED,
    { id: explain.job.id },
    signal,
  );
  const query = new URLSearchParams({ pair: job.attributions.nodes[0]!.tokenPair.id, rule: input.rule });
  const address = `${api.page}/#/case/${encodeURIComponent(explain.failureCase.id)}?${query}`;
  context.note(`${address}\n`);
  openBrowser(address, context.note);
}

/** The program that opens addresses: BROWSER's, or the system's. */
function openBrowser(address: string, note: VerbContext["note"]): void {
  const [command, args] = process.env["BROWSER"]
    ? [process.env["BROWSER"], [address]]
    : process.platform === "darwin"
    ? ["open", [address]]
    : process.platform === "win32"
    ? ["cmd", ["/c", "start", "", address.replaceAll("&", "^&")]]
    : ["xdg-open", [address]];
  const child = spawn(command, args, { stdio: "ignore", detached: true });
  child.on("error", () => note("no browser was found: open the address above, or name one in BROWSER\n"));
  child.unref();
}
