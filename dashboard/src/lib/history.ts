// Points of the usage history as the series of a chart.

import type { UsagePoint } from "../api/types";

export interface Lines {
  times: number[];
  in: (number | null)[];
  out: (number | null)[];
}

/** A step that has only begun says little of its rate. */
const ENOUGH_OF_A_STEP = 0.5;

/**
 * Bytes per second of each step. Steps without a point are gaps: the proxy did not run, or nothing was kept. The step
 * under way counts by what of it is over at `until`.
 */
export function rates(points: UsagePoint[] | undefined, stepMs: number | undefined, until?: number): Lines {
  const step = stepMs && stepMs > 0 ? stepMs : 1000;
  const lines: Lines = { times: [], in: [], out: [] };
  let before: number | null = null;
  for (const point of points ?? []) {
    if (typeof point.at !== "number") continue;
    if (before !== null && point.at - before > step * 1.5) add(lines, before + step, null, null);
    const over = Math.min(step, (until ?? Number.POSITIVE_INFINITY) - point.at);
    if (over < step * ENOUGH_OF_A_STEP) continue;
    add(lines, point.at, perSecond(point.bytesIn, over), perSecond(point.bytesOut, over));
    before = point.at;
  }
  return lines;
}

/** The last minutes, second by second, as they come. */
export function remember(lines: Lines, at: number, bytesIn: number, bytesOut: number, keep: number): Lines {
  const last = lines.times[lines.times.length - 1];
  if (last !== undefined && at <= last) return lines;
  const next = { times: [...lines.times], in: [...lines.in], out: [...lines.out] };
  // While the page was hidden or the connection lost nothing was heard: that is a gap, not a straight line.
  if (last !== undefined && at - last > 5000) add(next, last + 1000, null, null);
  add(next, at, bytesIn, bytesOut);
  const drop = next.times.findIndex((time) => time > at - keep);
  return drop > 0 ? { times: next.times.slice(drop), in: next.in.slice(drop), out: next.out.slice(drop) } : next;
}

/** Puts what is kept before what was seen here, where it is older. */
export function before(lines: Lines, kept: Lines): Lines {
  const first = lines.times[0] ?? Number.POSITIVE_INFINITY;
  const count = kept.times.findIndex((time) => time >= first);
  const part = <T>(values: T[]) => (count < 0 ? values : values.slice(0, count));
  return { times: [...part(kept.times), ...lines.times], in: [...part(kept.in), ...lines.in], out: [...part(kept.out), ...lines.out] };
}

function add(lines: Lines, at: number, bytesIn: number | null, bytesOut: number | null): void {
  lines.times.push(at);
  lines.in.push(bytesIn);
  lines.out.push(bytesOut);
}

function perSecond(bytes: number | undefined, stepMs: number): number {
  return ((bytes ?? 0) * 1000) / stepMs;
}
