// Asking the proxy, by the types that are made from its own description. Addresses are relative to the page, so that
// both may be below a path prefix.

import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** What stands for an answer that never came; no HTTP server uses it. */
const NO_ANSWER = 599;

/** The header tells the proxy that no form of a foreign page sent this, and that no browser box should ask for a login. */
export const api = createClient<paths>({ baseUrl: ".", headers: { "X-Requested-With": "dashboard" } });
api.use({ onError: () => new Response(null, { status: NO_ANSWER }) });

export interface Problem {
  /** 0 when there was no answer. */
  status: number;
  message: string;
  /** When it says so: seconds until it is worth trying again. */
  retryAfter?: number;
}

export interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** What to tell a person about an answer that is a refusal or none; null when all is well. */
export function problemOf({ error, response }: Answer<unknown>): Problem | null {
  if (response.ok) return null;
  if (response.status === NO_ANSWER) return { status: 0, message: "The proxy does not answer." };
  const message = (error as { message?: unknown } | undefined)?.message;
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return {
    status: response.status,
    message: typeof message === "string" && message !== "" ? message : `The proxy answered ${response.status}.`,
    ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
  };
}

/** The same for a dialog, which only shows the words. */
export async function failureOf(answer: Promise<Answer<unknown>>): Promise<string | null> {
  return problemOf(await answer)?.message ?? null;
}
