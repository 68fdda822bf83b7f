/// <reference lib="dom" />
/** The API token of a server that asks for one, kept by this browser for this address. */

const NAME = "culprit-token";

export function accessToken(): string | null {
  return localStorage.getItem(NAME);
}

export function setAccessToken(token: string): void {
  localStorage.setItem(NAME, token);
}

/** The header that carries the token, when there is one. */
export function authorization(): Readonly<Record<string, string>> {
  const token = accessToken();
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
