// The traffic of the last minutes as this page has seen it; it outlives the view that shows it.

import { before, type Lines } from "./history";

let lines = $state.raw<Lines>({ times: [], in: [], out: [] });
let seeded = false;

export const lastMinutes = {
  get lines(): Lines {
    return lines;
  },
  set lines(value: Lines) {
    lines = value;
  },
  /** Puts what the store has before what was seen; once, since then it is all seen. */
  seed(kept: Lines): void {
    if (seeded) return;
    seeded = true;
    lines = before(lines, kept);
  },
  get seeded(): boolean {
    return seeded;
  },
};
