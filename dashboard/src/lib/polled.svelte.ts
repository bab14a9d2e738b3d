// What is asked for now and then rather than watched: history, whose newest part changes slowly.

import { api, problemOf, type Problem } from "../api/client";
import { session } from "./session.svelte";

export interface Polled<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly loading: boolean;
  again(): void;
}

/** Asks at once, when the path changes, and every so often while the page is seen. Zero: only once. */
export function polled<T>(path: () => string | null, everyMs: () => number): Polled<T> {
  let value = $state.raw<T | undefined>(undefined);
  let problem = $state.raw<Problem | undefined>(undefined);
  let loading = $state(true);
  let round = $state(0);

  $effect(() => {
    const wanted = path();
    const every = everyMs();
    void round;
    if (wanted === null) {
      value = undefined;
      problem = undefined;
      return;
    }
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    loading = true;
    const ask = async () => {
      if (!document.hidden) {
        const answer = await api.get<T>(wanted);
        if (!current) return;
        loading = false;
        if (answer.data !== undefined) value = answer.data;
        else if (answer.response?.status === 401) void session.check();
        problem = answer.data === undefined ? problemOf(answer.error, answer.response) : undefined;
      }
      if (every > 0) timer = setTimeout(ask, every);
    };
    void ask();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  });

  return {
    get value() {
      return value;
    },
    get problem() {
      return problem;
    },
    get loading() {
      return loading;
    },
    again: () => (round += 1),
  };
}
