// Which part of the history is looked at: the last hour to the last 90 days, or from a moment to a moment.

import { DAY, HOUR } from "./time";

export const RANGES = [
  { id: "1h", label: "1 h", ms: HOUR },
  { id: "24h", label: "24 h", ms: DAY },
  { id: "7d", label: "7 d", ms: 7 * DAY },
  { id: "90d", label: "90 d", ms: 90 * DAY },
] as const;

export interface Range {
  id: string;
  from: number;
  to: number;
  /** It does not move with the clock. */
  fixed: boolean;
}

/** The query of a range that may have moved on since it was chosen. */
export function queryOf(range: Range, now: number): { from: number; to?: number } {
  return range.fixed ? { from: range.from, to: range.to } : { from: now - (range.to - range.from) };
}

/** Reads the range from the page's address; what makes no sense is the last hour. */
export function rangeOf(params: Record<string, string>, now: number): Range {
  const [from, to] = [Number(params.from), Number(params.to)];
  if (params.range === "custom" && from > 0 && to > from) return { id: "custom", from, to, fixed: true };
  const known = RANGES.find((range) => range.id === params.range) ?? RANGES[0];
  return { id: known.id, from: now - known.ms, to: now, fixed: false };
}
