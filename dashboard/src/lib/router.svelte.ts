// Where the page is, as a value that views follow.

import { formatRoute, parseRoute, type Route } from "./route";

let current = $state.raw<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => (current = parseRoute(location.hash)));

export const router = {
  get route(): Route {
    return current;
  },
  /** Changes parts of the query, in place: typing into a search field is no step to go back over. */
  set(params: Record<string, unknown>): void {
    const { view, id, params: old } = current;
    history.replaceState(null, "", formatRoute(view, id, { ...old, ...params }));
    current = parseRoute(location.hash);
  },
  go(view: string, id?: string | null, params?: Record<string, unknown>): void {
    location.hash = formatRoute(view, id, params);
  },
};
