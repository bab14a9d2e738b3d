// The page's address: `#/connections?q=10.0&sort=-rate`. It is behind the `#` so that the page works below any path and
// the proxy need not know its views. What is searched and sorted is part of it: it survives a reload and can be sent on.

export interface Route {
  view: string;
  /** What of it: a session's id, a node's name. */
  id: string | null;
  params: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [view = "", ...rest] = path.split("/");
  const id = rest.length > 0 ? decode(rest.join("/")) : "";
  return { view: view || "overview", id: id || null, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function formatRoute(view: string, id?: string | null, params: Record<string, unknown> = {}): string {
  const path = id ? `${view}/${encodeURIComponent(id)}` : view;
  const query = formatQuery(params);
  return `#/${path}${query}`;
}

/** `?a=1&b=2` of what is set; nothing if nothing is. */
export function formatQuery(params: Record<string, unknown>): string {
  const given = Object.entries(set(params));
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** Without what says nothing. */
export function set<T>(params: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== ""));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Adds to a path that may have a query already. */
export function withQuery(path: string, params: Record<string, unknown>): string {
  const query = formatQuery(params);
  return path.includes("?") ? path + query.replace("?", "&") : path + query;
}
