// What is asked for now and then rather than watched: history, whose newest part changes slowly.

import { problemOf, type Answer, type Problem } from "../api/client";
import { session } from "./session.svelte";

export interface Polled<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly loading: boolean;
  again(): void;
}

/**
 * Asks at once, when the question changes, and every so often while the page is seen (0: only once). What the question
 * depends on must be read while it is made, not while it is asked.
 */
export function polled<T>(question: () => (() => Promise<Answer<T>>) | null, everyMs: () => number): Polled<T> {
  let value = $state.raw<T | undefined>(undefined);
  let problem = $state.raw<Problem | undefined>(undefined);
  let loading = $state(true);
  let round = $state(0);

  $effect(() => {
    const wanted = question();
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
        const answer = await wanted();
        if (!current) return;
        loading = false;
        if (answer.data !== undefined) value = answer.data;
        if (answer.response.status === 401) void session.check();
        problem = problemOf(answer) ?? undefined;
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
