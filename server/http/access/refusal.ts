/** Refusals in the words of GraphQL, whatever was asked for. */

export function refusal(status: number, code: string, message: string, headers: HeadersInit = {}): Response {
  return Response.json({ errors: [{ message, extensions: { code } }] }, { status, headers });
}

/** The refusal of a client that asks for too much. */
export function tooMany(seconds: number, what = "requests"): Response {
  return refusal(429, "TOO_MANY", `Too many ${what}; wait ${Math.ceil(seconds)} s`, {
    "retry-after": String(Math.ceil(seconds)),
  });
}
