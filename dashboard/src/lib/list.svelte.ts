// A list that the proxy searches, sorts and cuts: its query is in the page's address, its rows come over the stream.

import type { Page } from "../api/types";
import { live } from "../live/live.svelte";
import { withQuery } from "./route";
import { router } from "./router.svelte";

export const PAGE = 50;

export function list<T>(resource: () => string | null, defaults: { sort: string; filters: string[] }) {
  const params = $derived(router.route.params);
  const sort = $derived(params.sort || defaults.sort);
  const offset = $derived(Math.max(0, Math.floor(Number(params.offset ?? 0)) || 0));
  const filters = $derived(Object.fromEntries(defaults.filters.map((name) => [name, params[name] ?? ""])));
  const page = live<Page<T>>(() => {
    const path = resource();
    return path === null ? null : withQuery(path, { ...filters, sort, offset: offset || undefined, limit: PAGE });
  });
  return {
    page,
    get rows(): T[] {
      return page.value?.items ?? [];
    },
    get sort() {
      return sort;
    },
    get offset() {
      return offset;
    },
    get filters() {
      return filters;
    },
    /** Whether anything is left out by search or filters. */
    get narrowed() {
      return Object.values(filters).some((value) => value !== "");
    },
    sortBy: (value: string) => router.set({ sort: value === defaults.sort ? "" : value, offset: "" }),
    filter: (values: Record<string, string>) => router.set({ ...values, offset: "" }),
    to: (value: number) => router.set({ offset: value || "" }),
  };
}
