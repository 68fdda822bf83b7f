/** Settings of the environment, checked once at start. */
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { isAbsolute, join, resolve } from "node:path";
import { type HubSettings, InputError, readHubSettings } from "../../gpu/mod.ts";
import { type ApiToken, parseTokens } from "./tokens.ts";

/** The project's root: relative paths of settings and arguments start here. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");

export interface Settings {
  readonly port: number;
  readonly host: string;
  /** A PostgreSQL 15 or newer; the embedded one is used when absent. */
  readonly databaseUrl: string | undefined;
  /** Folder of the embedded database, caches and uploads, absolute. */
  readonly home: string;
  /** Folders that models and failure cases may be added from, absolute. */
  readonly modelFolders: readonly string[];
  /** `hardware`, `system`, `bundled`, or part of an adapter's name; the best one when absent. */
  readonly adapter: string | undefined;
  /** Where hub models are kept and how they are fetched. */
  readonly hub: HubSettings;
  /** Whether models that are added over the network may be fetched from the hub. */
  readonly downloads: boolean;
  /** API tokens; when there are any, requests must carry one. */
  readonly tokens: readonly ApiToken[];
  /** Requests a second that a client may send for long; four times as many at once. */
  readonly rate: number;
  /** Only the page's own documents are answered. */
  readonly persistedOnly: boolean;
  /** How log lines look. */
  readonly log: LogFormat;
  /** Bytes of waste above which a worker goes on in a fresh process. */
  readonly workerWasteBytes: number;
}

export type LogFormat = "text" | "json";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings. Throws InputError that names the variable and the mend. Empty values count as not given. */
export function readSettings(environment: Environment = process.env, platform: string = process.platform): Settings {
  // Windows' paths hold colons.
  const delimiter = platform === "win32" ? ";" : ":";
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const host = get("HOST") ?? "127.0.0.1";
  const tokens = parseTokens(get("CULPRIT_TOKENS"));
  if (!isLoopback(host) && tokens.length === 0) {
    throw new InputError(
      `${host} can be reached from other machines, and there are no API tokens`,
      "HOST",
      "set CULPRIT_TOKENS to one or more secrets separated by commas, or leave HOST at 127.0.0.1",
    );
  }
  return {
    port: readPort(get("PORT") ?? "4000"),
    host,
    databaseUrl: readDatabaseUrl(get("DATABASE_URL")),
    home: absolute(get("CULPRIT_HOME") ?? ".culprit"),
    modelFolders: (get("CULPRIT_MODELS") ?? "models").split(delimiter).filter((folder) => folder !== "").map(absolute),
    adapter: get("CULPRIT_ADAPTER"),
    hub: readHubSettings(environment),
    downloads: readChoice(
      "CULPRIT_DOWNLOADS",
      get("CULPRIT_DOWNLOADS") ?? (isLoopback(host) ? "on" : "off"),
      ["on", "off"],
    ) === "on",
    tokens,
    rate: readRate(get("CULPRIT_RATE") ?? "300"),
    persistedOnly: readChoice("CULPRIT_PERSISTED_ONLY", get("CULPRIT_PERSISTED_ONLY") ?? "0", ["0", "1"]) === "1",
    log: readLogFormat(environment),
    workerWasteBytes: readMegabytes("CULPRIT_WORKER_WASTE", get("CULPRIT_WORKER_WASTE") ?? "500"),
  };
}

/** How log lines look, which is needed before anything else can be told. */
export function readLogFormat(environment: Environment = process.env): LogFormat {
  return readChoice("CULPRIT_LOG", environment["CULPRIT_LOG"]?.trim() || "text", ["text", "json"]);
}

function readRate(value: string): number {
  const rate = Number(value);
  if (Number.isFinite(rate) && rate > 0) return rate;
  throw new InputError(`"${value}" is no rate`, "CULPRIT_RATE", "give the requests a second that a client may send");
}

function readMegabytes(name: string, value: string): number {
  const megabytes = Number(value);
  if (Number.isFinite(megabytes) && megabytes > 0) return megabytes * 1e6;
  throw new InputError(`"${value}" is no amount of memory`, name, "give a number of megabytes above 0");
}

function readChoice<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new InputError(`"${value}" is none of its values`, name, `give ${choices.join(" or ")}`);
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function absolute(path: string): string {
  if (/^~(?=$|[/\\])/.test(path)) return join(homedir(), path.slice(1));
  return isAbsolute(path) ? path : resolve(ROOT, path);
}

function readPort(value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65535) {
    throw new InputError(`"${value}" is no port`, "PORT", "give a number from 0 to 65535; 0 takes a free one");
  }
  return port;
}

function readDatabaseUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const mend = "give postgres://USER:PASSWORD@HOST:PORT/DATABASE";
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new InputError("it is no URL", "DATABASE_URL", mend);
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    throw new InputError(`"${url.protocol}" is no PostgreSQL URL`, "DATABASE_URL", mend);
  }
  return value;
}
