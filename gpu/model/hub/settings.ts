/** Where hub models are kept and how they are fetched, by the variables that Python's huggingface_hub reads. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { InputError } from "../../errors.ts";

export interface HubSettings {
  /** The folder of the cache, absolute. */
  readonly cache: string;
  /** Who we are to the hub, where anybody in particular. */
  readonly token: string | undefined;
  /** The hub's address, without a slash at its end. */
  readonly endpoint: string;
  /** Nothing is fetched. */
  readonly offline: boolean;
}

const YES = ["1", "on", "yes", "true"];
const NO = ["0", "off", "no", "false"];

/** Reads HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE. Empty values count as not given. Throws InputError. */
export function readHubSettings(environment: Readonly<Record<string, string | undefined>>): HubSettings {
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const path = (text: string): string => resolve(text.replace(/^~(?=$|[/\\])/, homedir()));
  const home = path(get("HF_HOME") ?? join(get("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface"));
  return {
    cache: path(get("HF_HUB_CACHE") ?? get("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub")),
    token: get("HF_TOKEN") ?? get("HUGGING_FACE_HUB_TOKEN") ??
      storedToken(path(get("HF_TOKEN_PATH") ?? join(home, "token"))),
    endpoint: readEndpoint(get("HF_ENDPOINT") ?? "https://huggingface.co"),
    offline: readSwitch("HF_HUB_OFFLINE", get("HF_HUB_OFFLINE") ?? "0"),
  };
}

/** What `hf auth login` left. */
function storedToken(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

function readEndpoint(text: string): string {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") return text.replace(/\/+$/, "");
  throw new InputError(
    `${JSON.stringify(text)} is no address of a hub`,
    "HF_ENDPOINT",
    "give https://HOST, or unset it",
  );
}

function readSwitch(name: string, text: string): boolean {
  const value = text.toLowerCase();
  if (YES.includes(value) || NO.includes(value)) return YES.includes(value);
  throw new InputError(`${JSON.stringify(text)} is none of its values`, name, "give 1 or 0");
}
