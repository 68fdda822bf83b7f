/** Models of a hub: found in the cache that huggingface_hub keeps, fetched into it, and never used half-written. */
import { execFile } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError, UnavailableError } from "../gpu/errors.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { downloadModel, locateModel, type LocateOptions } from "../gpu/model/hub/locate.ts";
import { parseReference } from "../gpu/model/hub/reference.ts";
import { type HubSettings, readHubSettings } from "../gpu/model/hub/settings.ts";
import { culprit } from "./command_line.ts";
import { COMMIT, type Failure, gitHash, type HubOptions, type HubServer, openHub, sha256 } from "./hub_server.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";

let folder: string;
/** A whole model, as its repository holds it. */
let model: string;
let hub: HubServer | undefined;
let settings: HubSettings;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-hub-"));
  model = writeTinyModel(join(folder, "model"));
  writeTinyTokenizer(model, "{{ messages[0].content }}");
  // What repositories hold besides, and nobody needs.
  for (const name of ["README.md", "pytorch_model.bin", "vocab.json", "model.onnx"]) {
    writeFileSync(join(model, name), "not this");
  }
});
afterEach(() => {
  for (const name of ["HF_HOME", "HF_ENDPOINT"]) Deno.env.delete(name);
  Deno.env.set("HF_HUB_OFFLINE", "1");
  hub?.close();
  rmSync(folder, { recursive: true });
});

async function open(options: HubOptions = {}, repos: Record<string, string> = {}): Promise<HubServer> {
  hub?.close();
  hub = await openHub({ "org/tiny": model, ...repos }, { large: 1000, ...options });
  settings = { cache: join(folder, "cache"), token: undefined, endpoint: hub.url, offline: false };
  return hub;
}

const fast = (more: LocateOptions = {}): LocateOptions => ({ settings, pause: () => Promise.resolve(), ...more });
const reference = (text: string) => parseReference(text)!;
const snapshot = () => join(folder, "cache", "models--org--tiny", "snapshots", COMMIT);
const blobs = () => readdirSync(join(folder, "cache", "models--org--tiny", "blobs")).sort();
const weights = () => join(model, "model.safetensors");

/** Fails the first requests for the weights, in this order. */
function failing(...failures: readonly (Failure | undefined)[]) {
  const left = [...failures];
  return (_: string, file: string | undefined) => file?.endsWith("model.safetensors") ? left.shift() : undefined;
}

test.each([
  ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "main", undefined],
  ["Qwen/Qwen3-0.6B@v1.0", "Qwen/Qwen3-0.6B", "v1.0", undefined],
  ["a/b@refs/pr/3", "a/b", "refs/pr/3", undefined],
  ["a/b:x/y-Q4_K_M.gguf", "a/b", "main", "x/y-Q4_K_M.gguf"],
  ["a/b@dev:y.gguf", "a/b", "dev", "y.gguf"],
])("%s is a reference", (text, repository, revision, file) => {
  expect(parseReference(text)).toEqual({ text, repository, revision, file });
});

test.each([
  "word",
  "/a/b",
  "a/b/c",
  "./b",
  "../b",
  "a/..",
  "a/b@../../x",
  "a/b@x/../y",
  "a/b:../x.gguf",
  "a/b:x.bin",
  "a--b/c",
  "a/b@",
  "C:\\a/b",
  "~/b",
  `a/${"b".repeat(96)}`,
])("%s is none", (text) => expect(parseReference(text)).toBeUndefined());

describe("settings", () => {
  test("are huggingface_hub's", () => {
    const read = (environment: Record<string, string>) =>
      readHubSettings({ HF_TOKEN_PATH: "/nowhere", ...environment });
    expect(read({ HF_HOME: "/h" })).toEqual({
      cache: "/h/hub",
      token: undefined,
      endpoint: "https://huggingface.co",
      offline: false,
    });
    expect(read({ HF_HOME: "/h", HF_HUB_CACHE: "/c", HF_HUB_OFFLINE: "ON" })).toMatchObject({
      cache: "/c",
      offline: true,
    });
    expect(read({ HF_ENDPOINT: "http://x:1/", HF_TOKEN: "t" })).toMatchObject({ endpoint: "http://x:1", token: "t" });
    writeFileSync(join(folder, "token"), "stored\n");
    expect(readHubSettings({ HF_HOME: folder }).token).toBe("stored");
  });
  test("wrong ones are one clear line", () => {
    expect(() => readHubSettings({ HF_ENDPOINT: "ftp://x" })).toThrow(/^HF_ENDPOINT: .*; give https/);
    expect(() => readHubSettings({ HF_HUB_OFFLINE: "maybe" })).toThrow(/^HF_HUB_OFFLINE: .*; give 1 or 0/);
  });
});

test("a model is fetched into the cache's layout: what is needed and nothing else", async () => {
  const { requests } = await open();
  const steps: { done: number; total: number }[] = [];
  const { path, name } = await locateModel("org/tiny", fast({ onProgress: (step) => steps.push(step) }));
  expect(name).toBe("org/tiny");
  expect(path).toBe(snapshot());
  const needed = ["chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"];
  expect(readdirSync(path).sort()).toEqual(needed);
  for (const file of needed) {
    expect(readFileSync(join(path, file))).toEqual(readFileSync(join(model, file)));
    const isLarge = statSync(join(model, file)).size >= 1000;
    const hash = (isLarge ? sha256 : gitHash)(join(model, file));
    expect(readlinkSync(join(path, file))).toBe(join("..", "..", "blobs", hash));
    expect(blobs()).toContain(hash);
  }
  const repository = join(folder, "cache", "models--org--tiny");
  expect(readFileSync(join(repository, "refs", "main"), "utf8")).toBe(COMMIT);
  expect(readdirSync(join(repository, ".no_exist", COMMIT))).toContain("generation_config.json");
  expect(readdirSync(join(repository, ".no_exist", COMMIT))).not.toContain("tokenizer.json");
  const total = needed.reduce((sum, file) => sum + statSync(join(model, file)).size, 0);
  expect(steps.at(-1)).toEqual({ phase: "download", done: total, total });
  expect(steps.every(({ done }, index) => index === 0 || done >= steps[index - 1]!.done)).toBe(true);
  (await openModelDirectory(path)).close();

  const asked = requests.length;
  expect(await locateModel("org/tiny", fast())).toEqual({ path, name: "org/tiny" });
  expect(requests.length).toBe(asked);
});

test("a folder of that name comes first", async () => {
  await open();
  mkdirSync(join(folder, "org", "tiny"), { recursive: true });
  const before = Deno.cwd();
  Deno.chdir(folder);
  try {
    expect(await locateModel("org/tiny", fast())).toEqual({ path: "org/tiny", name: undefined });
  } finally {
    Deno.chdir(before);
  }
});

describe("a broken connection", () => {
  test("at each tenth of the file: it goes on from there, and what arrives is the file", async () => {
    const size = statSync(weights()).size;
    const cuts = Array.from({ length: 10 }, (_, tenth) => ({ cutAt: Math.floor(size * tenth / 10) }));
    const { requests } = await open({ fails: failing(...cuts) });
    const path = await downloadModel(reference("org/tiny"), fast());
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(readFileSync(weights()));
    const ranges = requests.filter((line) => line.includes("/cdn/")).map((line) => /bytes=(\d+)-$/.exec(line)?.[1]);
    // The first two began at 0; each later one where the last was cut.
    expect(ranges).toEqual([undefined, undefined, ...cuts.slice(1).map(({ cutAt }) => String(cutAt))]);
  });

  test.each(Array.from({ length: 10 }, (_, tenth) => tenth))(
    "that stays so at %i tenths: nothing is there to be used, and another run goes on",
    async (tenth) => {
      const size = statSync(weights()).size;
      const cutAt = Math.floor(size * tenth / 10);
      await open({ fails: (_, file) => file?.endsWith("model.safetensors") ? { cutAt } : undefined });
      const failed = await downloadModel(reference("org/tiny"), fast()).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(UnavailableError);
      expect(String(failed)).toMatch(
        /model\.safetensors broke off at .* again and again .*; run it again: what arrived is kept/,
      );
      expect(existsSync(join(snapshot(), "model.safetensors"))).toBe(false);
      expect(existsSync(join(folder, "cache", "models--org--tiny", "refs", "main"))).toBe(false);
      expect(blobs()).not.toContain(sha256(weights()));
      await expect(locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).rejects.toThrow(
        InputError,
      );

      const { requests } = await open();
      const path = await downloadModel(reference("org/tiny"), fast());
      expect(readFileSync(join(path, "model.safetensors"))).toEqual(readFileSync(weights()));
      const asked = requests.find((line) => line.includes("/cdn/"));
      if (cutAt > 0) expect(asked).toMatch(new RegExp(` bytes=${cutAt}-$`));
      expect(blobs().filter((name) => name.endsWith(".incomplete"))).toEqual([]);
    },
  );

  test("without ranges begins again; silence counts as broken", async () => {
    const cutAt = Math.floor(statSync(weights()).size / 2);
    await open({ fails: failing({ cutAt }, "no ranges", undefined) });
    const first = await downloadModel(reference("org/tiny"), fast());
    expect(readFileSync(join(first, "model.safetensors"))).toEqual(readFileSync(weights()));
    rmSync(settings.cache, { recursive: true });
    await open({ fails: failing("silence") });
    await downloadModel(reference("org/tiny"), fast({ silentMs: 50 }));
  });

  test("an interrupted run keeps what arrived", async () => {
    const { requests } = await open({ fails: failing("silence") });
    const stop = new AbortController();
    const running = downloadModel(reference("org/tiny"), fast({ signal: stop.signal }));
    const arrived = () => existsSync(join(snapshot(), "config.json"));
    const silent = () => requests.some((one) => /^GET \/cdn\/.*\.safetensors/.test(one));
    const interrupted = expect.poll(() => arrived() && silent(), { timeout: 60_000 }).toBe(true)
      .then(() => stop.abort(new Error("interrupted by SIGINT")));
    await expect(running).rejects.toThrow("interrupted by SIGINT");
    await interrupted;
    expect(arrived()).toBe(true);
    await downloadModel(reference("org/tiny"), fast());
  });
});

describe("contents that are not the file", () => {
  test("what an earlier process left wrong is thrown away", async () => {
    await open();
    const repository = join(folder, "cache", "models--org--tiny");
    mkdirSync(join(repository, "blobs"), { recursive: true });
    writeFileSync(join(repository, "blobs", `${sha256(weights())}.incomplete`), "x".repeat(500));
    const path = await downloadModel(reference("org/tiny"), fast());
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(readFileSync(weights()));
  });

  test("a hub that sends other bytes twice is said to", async () => {
    await open({ fails: failing("other bytes", "other bytes") });
    await expect(downloadModel(reference("org/tiny"), fast())).rejects.toThrow(
      /arrived twice with other contents than its hash/,
    );
    expect(existsSync(join(snapshot(), "model.safetensors"))).toBe(false);
  });

  test("a page in place of a small file is not taken for it", async () => {
    const page = { status: 200, body: "<html>log in</html>" };
    await open({ fails: (_, file) => file?.endsWith("/config.json") ? page : undefined });
    await expect(downloadModel(reference("org/tiny"), fast())).rejects.toThrow(UnavailableError);
    expect(existsSync(join(snapshot(), "config.json"))).toBe(false);
  });

  test("a blob that was cut short is fetched again, and a snapshot without its blob is none", async () => {
    await open();
    const path = await downloadModel(reference("org/tiny"), fast());
    truncateSync(join(folder, "cache", "models--org--tiny", "blobs", sha256(weights())), 10);
    await downloadModel(reference("org/tiny"), fast());
    expect(readFileSync(join(path, "model.safetensors"))).toEqual(readFileSync(weights()));
    rmSync(join(folder, "cache", "models--org--tiny", "blobs", sha256(weights())));
    await expect(locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).rejects.toThrow(
      InputError,
    );
  });
});

describe("refusals, one line each", () => {
  const rejects = async (text: string, line: RegExp, more: Partial<HubSettings> = {}) => {
    const error = await locateModel(text, fast({ settings: { ...settings, ...more } })).catch((caught: unknown) =>
      caught
    );
    expect((error as Error).message).toMatch(line);
    expect((error as Error).message).not.toContain("\n");
    return error;
  };

  test("gated models: where to ask, and for what", async () => {
    await open();
    const refused = await rejects(
      "org/gated",
      /gated: .*; ask at http.*\/org\/gated, then set HF_TOKEN to a token of /,
    );
    expect(refused).toBeInstanceOf(InputError);
    await rejects("org/gated", /the account of HF_TOKEN is not let in; ask at http.*\/org\/gated/, { token: "hf_x" });
  });

  test("no repository, no revision, no weights, pickles, GGUF, adapters", async () => {
    const bare = (name: string, files: readonly string[]) => {
      mkdirSync(join(folder, name));
      for (const file of files) writeFileSync(join(folder, name, file), "{}");
      return join(folder, name);
    };
    await open({}, {
      "org/pickle": bare("pickle", ["config.json", "pytorch_model.bin"]),
      "org/gguf": bare("gguf", ["a-Q4_K.gguf", "b-Q8_0.gguf"]),
      "org/lora": bare("lora", ["adapter_config.json", "adapter_model.safetensors"]),
      "org/empty": bare("empty", ["README.md"]),
    });
    await rejects("org/none", /there is no such folder, and no such model on http.*; check the name/);
    await rejects("org/tiny@nope", /there is no revision nope; name a branch/);
    await rejects("org/pickle", /PyTorch pickles, .*; name a revision with model\.safetensors/);
    await rejects("org/gguf", /holds GGUF files; give ORG\/NAME:FILE with one of a-Q4_K\.gguf, b-Q8_0\.gguf/);
    await rejects("org/gguf:c.gguf", /has no file c\.gguf; give .* a-Q4_K\.gguf/);
    await rejects("org/lora", /a LoRA adapter and no model; .*--lora/);
    await rejects("org/empty", /has no config\.json; /);
  });

  test("a hub that asks to wait is waited for, and not for ever", async () => {
    const waits: number[] = [];
    const pause = (ms: number) => {
      waits.push(ms);
      return Promise.resolve();
    };
    let left = 2;
    const busy = { status: 429, headers: { "retry-after": "7" } };
    await open({ fails: (_, file) => file === undefined && left-- > 0 ? busy : undefined });
    await locateModel("org/tiny", fast({ pause }));
    expect(waits).toEqual([7000, 7000]);
    await open({ fails: () => ({ status: 429, headers: { "retry-after": "9999" } }) });
    const refused = await rejects(
      "org/tiny@refs/pr/1",
      /takes no more requests from here for now; try again in 9999 s, or set HF_TOKEN/,
    );
    expect(refused).toBeInstanceOf(UnavailableError);
  });

  test("a hub that fails is tried again, and said to; one that is away is not waited for", async () => {
    let left = 3;
    await open({ fails: () => left-- > 0 ? { status: 503 } : undefined });
    await locateModel("org/tiny", fast());
    await open({ fails: () => ({ status: 500 }) });
    expect(await rejects("org/tiny@refs/pr/1", /answered with status 500; try again later/)).toBeInstanceOf(
      UnavailableError,
    );
    hub!.close();
    const away = await rejects(
      "org/tiny@refs/pr/1",
      /cannot be reached \(.*\); check the network, or set HF_HUB_OFFLINE=1/,
    );
    expect(away).toBeInstanceOf(UnavailableError);
  });

  test("offline, and where downloads are forbidden", async () => {
    const { requests } = await open();
    await rejects("org/tiny", /no such model in the hub's cache .*; unset HF_HUB_OFFLINE/, { offline: true });
    await expect(locateModel("org/tiny", fast({ forbidden: "ask somebody" }))).rejects.toThrow(
      /; ask somebody, or name/,
    );
    expect(requests).toEqual([]);
  });
});

test("the token goes to the hub and not to where it redirects", async () => {
  const { requests, tokens } = await open();
  await downloadModel(reference("org/tiny"), fast({ settings: { ...settings, token: "hf_secret" } }));
  const sent = requests.map((line, index) => [line.includes("/cdn/"), tokens[index]]);
  expect(sent.some(([isElsewhere]) => isElsewhere)).toBe(true);
  for (const [isElsewhere, hasToken] of sent) expect(hasToken).toBe(!isElsewhere);
});

test("shards are those of the index, and a shard that is missing makes the model missing", async () => {
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  for (const shard of shards) writeFileSync(join(model, shard), shard.repeat(100));
  writeFileSync(join(model, "other.safetensors"), "not of the index");
  const map = { a: shards[0], b: shards[1] };
  writeFileSync(join(model, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  await open({ hidden: ["model.safetensors"] });
  const path = await downloadModel(reference("org/tiny"), fast());
  expect(readdirSync(path).filter((name) => name.includes("safetensors")).sort()).toEqual(
    [...shards, "model.safetensors.index.json"].sort(),
  );
  expect(await locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).toMatchObject({ path });
  rmSync(join(path, shards[1]!));
  await expect(locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).rejects.toThrow(InputError);
  await open({ hidden: ["model.safetensors", shards[1]!] });
  await expect(locateModel("org/tiny", fast())).rejects.toThrow(/lacks shards that its index names/);
});

test("GGUF files come alone, with all their shards, from folders too", async () => {
  mkdirSync(join(model, "q4"));
  for (const shard of [1, 2]) writeFileSync(join(model, "q4", `m-0000${shard}-of-00002.gguf`), `shard ${shard}`);
  await open();
  const { path } = await locateModel("org/tiny:q4/m-00001-of-00002.gguf", fast());
  expect(path).toBe(join(snapshot(), "q4", "m-00001-of-00002.gguf"));
  expect(readdirSync(snapshot())).toEqual(["q4"]);
  expect(readdirSync(join(snapshot(), "q4")).length).toBe(2);
  const offline = fast({ settings: { ...settings, offline: true } });
  expect((await locateModel("org/tiny:q4/m-00002-of-00002.gguf", offline)).path).toBe(path);
});

test("where links cannot be made, snapshots hold the files themselves", async () => {
  await open();
  const link = () => Promise.reject(Object.assign(new Error("no links"), { code: "EPERM" }));
  const path = await downloadModel(reference("org/tiny"), fast({ link }));
  expect(lstatSync(join(path, "model.safetensors")).isFile()).toBe(true);
  expect(readFileSync(join(path, "model.safetensors"))).toEqual(readFileSync(weights()));
  expect(await locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).toMatchObject({ path });
  const { requests } = await open();
  await downloadModel(reference("org/tiny"), fast({ link }));
  expect(requests.filter((line) => line.includes("/resolve/"))).toEqual([]);
});

test("two at once fetch each file once", async () => {
  const { requests } = await open();
  await Promise.all([downloadModel(reference("org/tiny"), fast()), downloadModel(reference("org/tiny"), fast())]);
  const fetched = requests.filter((line) => line.includes("/resolve/"));
  expect(fetched.length).toBe(new Set(fetched).size);
});

test("a revision moves with the hub, and a commit stays what it is", async () => {
  await open();
  await downloadModel(reference("org/tiny"), fast());
  const later = "b".repeat(40);
  writeFileSync(join(model, "tokenizer_config.json"), '{"chat_template":"new"}');
  const { requests } = await open({ commit: later });
  const path = await downloadModel(reference("org/tiny"), fast());
  expect(path).toBe(snapshot().replace(COMMIT, later));
  // The same contents are one blob.
  expect(requests.filter((line) => line.includes("/resolve/")).length).toBe(1);
  expect((await locateModel(`org/tiny@${COMMIT}`, fast())).path).toBe(snapshot());
  expect((await locateModel("org/tiny", fast())).path).toBe(path);
});

test("a model whose tokenizer is not in the cache is completed, and used as it is where nobody answers", async () => {
  const { requests } = await open();
  await downloadModel(reference("org/tiny"), fast());
  rmSync(join(snapshot(), "tokenizer.json"));
  const asked = requests.length;
  await locateModel("org/tiny", fast());
  expect(requests.length).toBeGreaterThan(asked);
  expect(existsSync(join(snapshot(), "tokenizer.json"))).toBe(true);
  rmSync(join(snapshot(), "tokenizer.json"));
  hub!.close();
  expect((await locateModel("org/tiny", fast())).path).toBe(snapshot());
});

test("references to a revision outside of the cache are none", async () => {
  await open();
  symlinkSync(model, join(folder, "cache-link"));
  for (const text of ["org/tiny@../../../model", "org/..", "org/tiny@..", "../model"]) {
    expect(await locateModel(text, fast())).toEqual({ path: text, name: undefined });
  }
});

/** Lets the process itself see this hub and an empty cache, as a user sets it. */
async function openForProcess(): Promise<void> {
  await open();
  Deno.env.set("HF_HOME", folder);
  Deno.env.set("HF_ENDPOINT", hub!.url);
  Deno.env.set("HF_HUB_OFFLINE", "0");
  settings = { ...settings, cache: join(folder, "hub") };
}

describe("the command line", () => {
  test("model pull fetches, says where, and asks anew each time", async () => {
    await openForProcess();
    const pulled = await culprit(["model", "pull", "org/tiny", "--json"], [], { progress: true });
    const path = join(folder, "hub", "models--org--tiny", "snapshots", COMMIT);
    expect(pulled.out.trim().split("\n").map((line) => JSON.parse(line))).toEqual([
      { id: "org/tiny", kind: "model", status: "COMPLETED", path },
      { total: 1 },
    ]);
    expect(pulled.err).toMatch(/^org\/tiny: fetching [\d.]+ MiB into .*models--org--tiny\n/);
    expect(pulled.err).toMatch(/download \[#+\] 100 % {2}[\d.]+ MiB of [\d.]+ MiB/);
    expect(await culprit(["model", "pull", "org/tiny"])).toEqual({ code: 0, out: `${path}\n`, err: "" });
    expect((await culprit(["model", "pull", "no-slash"])).err).toMatch(
      /"no-slash" is no hub's id; give one model as ORG/,
    );
  });

  test("every verb of the engine takes a hub's id; what the hub does not have is bad input, a hub that is away is not", async () => {
    await openForProcess();
    const inspected = await culprit(["inspect", "org/tiny", "--json"]);
    expect({ code: inspected.code, config: JSON.parse(inspected.out).config.model_type }).toEqual({
      code: 0,
      config: "qwen3",
    });
    const line = '{"text":"a"}\n';
    const [there, here] = [
      await culprit(["tokenize", "--model", "org/tiny", "--json"], [line]),
      await culprit(["tokenize", "--model", model, "--json"], [line]),
    ];
    expect(there).toEqual(here);
    const none = await culprit(["generate", "--model", "org/none", "--prompt", "a"]);
    expect(none).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^org\/none: there is no such folder, and no such model on .*\n$/),
    });
    Deno.env.set("HF_HUB_OFFLINE", "1");
    expect((await culprit(["inspect", "org/tiny"])).code).toBe(0);
    expect((await culprit(["inspect", "org/other"])).err).toMatch(/unset HF_HUB_OFFLINE/);
  });

  test("a hub that cannot give now is exit code 1", async () => {
    await openForProcess();
    hub!.close();
    hub = await openHub({}, { fails: () => ({ status: 429, headers: { "retry-after": "9999" } }) });
    Deno.env.set("HF_ENDPOINT", hub.url);
    const busy = await culprit(["inspect", "org/tiny"]);
    expect(busy).toMatchObject({
      code: 1,
      err: expect.stringMatching(/takes no more requests .*; try again in 9999 s/),
    });
  });
});

describe.skipIf(!Deno.env.get("PYTHON"))("huggingface_hub itself", () => {
  const script = new URL("reference/hub_cache.py", import.meta.url).pathname;
  const python = async (...args: string[]) => {
    const env = { ...process.env, HF_ENDPOINT: hub!.url, HF_HOME: join(folder, "python") };
    const { stdout } = await promisify(execFile)(Deno.env.get("PYTHON")!, [script, ...args], { env });
    return JSON.parse(stdout);
  };

  test("reads what we wrote, without network", async () => {
    await open();
    const path = await downloadModel(reference("org/tiny"), fast());
    hub!.close();
    const found = await python("read", settings.cache, "org/tiny");
    const hashes = Object.fromEntries(readdirSync(path).sort().map((name) => [name, sha256(join(model, name))]));
    expect(found).toEqual({
      snapshot: path,
      hashes,
      repos: [["org/tiny", [[COMMIT, ["main"]]]]],
      warnings: [],
      // Its own object for what is known not to exist.
      absent: "object",
    });
  });

  test("writes what we read, without network; a half of it is completed", async () => {
    await open();
    const names = ["config.json", "model.safetensors", "tokenizer.json"];
    const { snapshot: written } = await python("write", settings.cache, "org/tiny", ...names.slice(0, 2));
    // Without the tokenizer the model may be incomplete: only with a hub at hand is that found out.
    expect(await locateModel("org/tiny", fast({ settings: { ...settings, offline: true } }))).toMatchObject({
      path: written,
    });
    await python("write", settings.cache, "org/tiny", ...names);
    const asked = hub!.requests.length;
    expect(await locateModel("org/tiny", fast())).toEqual({ path: written, name: "org/tiny" });
    expect(hub!.requests.length).toBe(asked);
    (await openModelDirectory(written)).close();
    const fetched = await downloadModel(reference("org/tiny"), fast());
    expect(fetched).toBe(written);
    expect(readdirSync(written)).toContain("chat_template.jinja");
    const resolved = hub!.requests.slice(asked).filter((line) => line.includes("/resolve/"));
    expect(resolved).toEqual([`GET /org/tiny/resolve/${COMMIT}/chat_template.jinja`]);
  });
});
