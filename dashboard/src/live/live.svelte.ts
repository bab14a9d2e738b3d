// Watched resources as values that components follow, over the page's one stream.

import { clock } from "../lib/clock.svelte";
import { session } from "../lib/session.svelte";
import { Stream, type Connection, type Reading, type Source } from "./stream";

class Entry {
  reading = $state.raw<Reading>({});
  users = 0;
}

const entries = new Map<string, Entry>();
let connection = $state.raw<Connection>({ kind: "connecting" });
let heardAt = $state.raw<number | null>(null);

const stream = new Stream({
  open(paths) {
    const query = paths.map((path) => `watch=${encodeURIComponent(path)}`).join("&");
    return new EventSource(`./api/v1/events?${query}`) as Source;
  },
  changed(readings) {
    readings.forEach((reading, path) => {
      const entry = entries.get(path);
      if (entry) entry.reading = reading;
    });
  },
  connection(state) {
    if (state.kind !== connection.kind || state.kind === "lost") connection = state;
    if (state.kind === "live") heardAt = Date.now();
  },
  tick: (at) => clock.set(at),
  failed: () => void session.check(),
});

document.addEventListener("visibilitychange", () => stream.setHidden(document.hidden));

export const link = {
  get connection(): Connection {
    return connection;
  },
  /** When the proxy was last heard, by this browser's clock. */
  get heardAt(): number | null {
    return heardAt;
  },
  /** What is shown is not of this moment. */
  get stale(): boolean {
    return connection.kind === "lost";
  },
  retry: () => stream.retryNow(),
  stop: () => stream.stop(),
};

function acquire(path: string): Entry {
  const entry = entries.get(path) ?? new Entry();
  entries.set(path, entry);
  entry.users += 1;
  stream.watch(path);
  return entry;
}

function release(path: string): void {
  const entry = entries.get(path);
  if (!entry) return;
  entry.users -= 1;
  if (entry.users === 0) entries.delete(path);
  stream.unwatch(path);
}

export interface Live<T> {
  /** The last value that was heard, also of the path before, until the new one answers: nothing flickers. */
  readonly value: T | undefined;
  readonly problem: Reading["problem"];
  /** The value shown is not yet that of the path now watched. */
  readonly loading: boolean;
}

/** Watches a resource (relative to `/api/v1`) for as long as the component lives; null watches nothing. */
export function live<T>(path: () => string | null): Live<T> {
  let entry = $state.raw<Entry | null>(null);
  let shown = $state.raw<T | undefined>(undefined);
  $effect(() => {
    const wanted = path();
    if (wanted === null) {
      entry = null;
      return;
    }
    entry = acquire(wanted);
    return () => release(wanted);
  });
  $effect(() => {
    const value = entry?.reading.value;
    if (value !== undefined) shown = value as T;
  });
  return {
    get value() {
      return (entry?.reading.value as T | undefined) ?? shown;
    },
    get problem() {
      return entry?.reading.problem;
    },
    get loading() {
      return entry === null || (entry.reading.value === undefined && entry.reading.problem === undefined);
    },
  };
}
