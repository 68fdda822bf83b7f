/** Who may ask: tokens, names of this machine, and no forms of other pages. */
import { timingSafeEqual } from "node:crypto";
import { isLoopback, type Settings } from "./settings.ts";

/** The refusal of a request, or undefined when it may pass. */
export function refuse(settings: Settings, request: Request): Response | undefined {
  return refuseStranger(settings, request) ?? refuseForgery(request);
}

/**
 * With tokens, a request must carry one. Without, we listen on loopback only, and a page that made its own name point
 * at this machine must not read us: the name asked for must be one of this machine.
 */
function refuseStranger({ tokens }: Settings, request: Request): Response | undefined {
  if (tokens.length === 0) {
    const { hostname } = new URL(request.url);
    if (isLoopback(hostname)) return undefined;
    return refusal(403, "FORBIDDEN", `This server answers to localhost, not to ${hostname}`);
  }
  const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  if (tokens.some((token) => sameText(token, given))) return undefined;
  const response = refusal(401, "UNAUTHENTICATED", "Send one of the CULPRIT_TOKENS as `Authorization: Bearer TOKEN`");
  response.headers.set("www-authenticate", "Bearer");
  return response;
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

function refusal(status: number, code: string, message: string): Response {
  return Response.json({ errors: [{ message, extensions: { code } }] }, { status });
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
