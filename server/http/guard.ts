/** Who may ask, how often, and no forms of other pages. */
import { type Allowance, createAllowance } from "./access/allowance.ts";
import { refusal, tooMany } from "./access/refusal.ts";
import { type Client, clientOf, includes, LOCAL, type Scope } from "../base/tokens.ts";
import { isLoopback, type Settings } from "../base/settings.ts";

/** Requests at once, in seconds of the rate. */
const BURST_SECONDS = 4;
/** Wrong tokens that one address may send: this many at once, then one a second. */
const WRONG_TOKENS = 20;
/** Fields (see MAX_COST) that a client may ask for in the time of one request of its rate. */
const COST_PER_REQUEST = 500;

export interface Guard {
  /** The client that may send this request, or the refusal. `address` is where it comes from. */
  admit(request: Request, address: string, scope?: Scope): Client | Response;
  /** Fields that clients may ask for, in the schema's count of costs. */
  readonly costs: Allowance;
}

export function createGuard(settings: Settings): Guard {
  const { tokens, rate } = settings;
  const requests = createAllowance({ perSecond: rate, most: BURST_SECONDS * rate });
  const wrong = createAllowance({ perSecond: 1, most: WRONG_TOKENS });
  const perSecond = rate * COST_PER_REQUEST;

  const identify = (request: Request, address: string): Client | Response => {
    if (tokens.length === 0) return refuseStranger(request) ?? LOCAL;
    const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const client = given === undefined ? undefined : clientOf(tokens, given);
    if (client) return client;
    // A page that has no token yet asks without one: that is no guess.
    const wait = given === undefined ? 0 : wrong.spend(address, 1);
    if (wait > 0) return tooMany(wait, "wrong tokens");
    return refusal(401, "UNAUTHENTICATED", "Send one of the CULPRIT_TOKENS as `Authorization: Bearer TOKEN`", {
      "www-authenticate": "Bearer",
    });
  };
  return {
    costs: createAllowance({ perSecond, most: BURST_SECONDS * perSecond }),
    admit: (request, address, scope = "read") => {
      const client = identify(request, address);
      if (client instanceof Response) return client;
      const wait = requests.spend(client.key, 1);
      if (wait > 0) return tooMany(wait);
      if (!includes(client.scope, scope)) {
        return refusal(403, "FORBIDDEN", `This needs a token of the scope ${scope}; yours may ${client.scope}`);
      }
      return refuseForgery(request) ?? client;
    },
  };
}

/**
 * Without tokens we listen on loopback only, and a page that made its own name point at this machine must not read us:
 * the name asked for must be one of this machine.
 */
function refuseStranger(request: Request): Response | undefined {
  const { hostname } = new URL(request.url);
  if (isLoopback(hostname)) return undefined;
  return refusal(403, "FORBIDDEN", `This server answers to localhost, not to ${hostname}`);
}

/**
 * Browsers send forms of any page to any server without asking. They cannot send JSON or headers of their own that way:
 * whatever changes something must have one of them.
 */
function refuseForgery(request: Request): Response | undefined {
  if (request.method === "GET" || request.method === "HEAD") return undefined;
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (type === "application/json" || type === "application/graphql+json") return undefined;
  if (PREFLIGHT_HEADERS.some((name) => request.headers.has(name))) return undefined;
  return refusal(
    403,
    "CSRF",
    `Send application/json, or one of the headers ${PREFLIGHT_HEADERS.join(", ")} with any value`,
  );
}

/** Any of these proves that no foreign form sent the request; names that GraphQL clients know. */
const PREFLIGHT_HEADERS = ["graphql-require-preflight", "apollo-require-preflight", "x-requested-with"] as const;
