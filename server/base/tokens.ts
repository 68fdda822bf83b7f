/** API tokens: what each may do, and how one is recognised. Only hashes are kept, and only hashes are ever logged. */
import { createHash, timingSafeEqual } from "node:crypto";
import { InputError } from "../../gpu/mod.ts";

/** Each includes those before it: look; ask for work; add models and read files of the server. */
export const SCOPES = ["read", "run", "admin"] as const;
export type Scope = typeof SCOPES[number];

export interface ApiToken {
  readonly scope: Scope;
  /** SHA-256 of the token. */
  readonly hash: Uint8Array;
}

/** Whoever sends a request. */
export interface Client {
  /** `local`, or scope and the beginning of the token's hash, for logs: `run:1f3870be`. */
  readonly name: string;
  readonly scope: Scope;
  /** What its limits are counted by. */
  readonly key: string;
}

/** Who asks where there are no tokens: somebody on this machine. */
export const LOCAL: Client = { name: "local", scope: "admin", key: "local" };

/** Tokens shorter than this are guessed too easily. */
const TOKEN_CHARACTERS = 16;
const WHERE = "CULPRIT_TOKENS";

/**
 * Reads tokens separated by commas: `SCOPE:TOKEN`, or a bare token, which may do everything. A token may be given by its
 * hash, `SCOPE:sha256:HEX`. Throws InputError that names a token by its number only.
 */
export function parseTokens(value: string | undefined): readonly ApiToken[] {
  const texts = (value ?? "").split(",").map((text) => text.trim()).filter((text) => text !== "");
  const tokens = texts.map((text, index) => parseToken(text, index + 1));
  tokens.forEach((token, index) => {
    const first = tokens.findIndex((other) => timingSafeEqual(other.hash, token.hash));
    if (first === index) return;
    throw new InputError(`token ${index + 1} is token ${first + 1} again`, WHERE, "give each token once");
  });
  return tokens;
}

function parseToken(text: string, number: number): ApiToken {
  const [, word, rest] = /^(\w+):(.*)$/s.exec(text) ?? [];
  const scope = SCOPES.find((name) => name === word);
  const secret = scope === undefined ? text : rest!;
  const given = /^sha256:([0-9a-f]{64})$/i.exec(secret)?.[1];
  if (given !== undefined) return { scope: scope ?? "admin", hash: Uint8Array.fromHex(given.toLowerCase()) };
  if (/^sha256:/i.test(secret)) {
    throw new InputError(`token ${number} has no whole hash`, WHERE, "write sha256: and its 64 hexadecimal digits");
  }
  if (scope === undefined && text.includes(":")) {
    throw new InputError(`token ${number} has no scope that there is`, WHERE, `begin it with ${SCOPES.join(":, ")}:`);
  }
  if (secret.length < TOKEN_CHARACTERS) {
    throw new InputError(
      `token ${number} has fewer than ${TOKEN_CHARACTERS} characters`,
      WHERE,
      "take longer ones, for example from `openssl rand -hex 24`",
    );
  }
  return { scope: scope ?? "admin", hash: hashOf(secret) };
}

const hashOf = (token: string): Uint8Array => createHash("sha256").update(token).digest();

/** The client that holds the token, or undefined. Compares hashes, all of them, in constant time. */
export function clientOf(tokens: readonly ApiToken[], given: string): Client | undefined {
  const hash = hashOf(given);
  const [found] = tokens.filter((token) => timingSafeEqual(token.hash, hash));
  if (!found) return undefined;
  const name = `${found.scope}:${found.hash.toHex().slice(0, 8)}`;
  return { name, scope: found.scope, key: found.hash.toHex() };
}

/** Whether a scope includes another. */
export function includes(scope: Scope, wanted: Scope): boolean {
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted);
}
