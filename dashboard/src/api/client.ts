// Asking the proxy. Addresses are relative to the page, so that both may be below a path prefix.

/** The header tells the proxy that no form of a foreign page sent this, and that no browser box should ask for a login. */
const HEADERS = { "X-Requested-With": "dashboard" };

export interface Problem {
  /** 0 when there was no answer. */
  status: number;
  message: string;
  /** When it says so: seconds until it is worth trying again. */
  retryAfter?: number;
}

export interface Answer<T> {
  data?: T;
  error?: unknown;
  response?: Response;
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
  let response: Response;
  try {
    response = await fetch(`./api/v1/${path}`, {
      method,
      headers: body === undefined ? HEADERS : { ...HEADERS, "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    return { error };
  }
  const text = await response.text().catch(() => "");
  let parsed: unknown;
  try {
    parsed = text === "" ? {} : JSON.parse(text);
  } catch {
    parsed = { message: text.slice(0, 200) };
  }
  return response.ok ? { data: parsed as T, response } : { error: parsed, response };
}

export const api = {
  get: <T>(path: string) => ask<T>("GET", path),
  post: <T = unknown>(path: string, body?: unknown) => ask<T>("POST", path, body),
  delete: <T = unknown>(path: string) => ask<T>("DELETE", path),
};

/** What to tell a person about an answer that was none. */
export function problemOf(error: unknown, response: Response | undefined): Problem {
  if (!response) return { status: 0, message: "The proxy does not answer." };
  const message = (error as { message?: unknown } | undefined)?.message;
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return {
    status: response.status,
    message: typeof message === "string" && message !== "" ? message : `The proxy answered ${response.status}.`,
    ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
  };
}
