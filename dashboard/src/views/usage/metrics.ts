// What the history chart can show.

import type { UsagePoint } from "../../api/types";
import type { Series } from "../../components/chart";
import { rates } from "../../lib/history";
import { rate } from "../../lib/prefs.svelte";
import { formatCount, formatPerSecond } from "../../lib/units";

interface Drawn {
  times: number[];
  series: Series[];
}

export interface Metric {
  id: string;
  label: string;
  title: string;
  format: (value: number | null | undefined) => string;
  draw: (points: UsagePoint[], stepMs: number, until: number | undefined) => Drawn;
}

type Field = Exclude<keyof UsagePoint, "at">;

function plain(fields: [Field, string, Series["color"]][], scale: (stepMs: number) => number) {
  return (points: UsagePoint[], stepMs: number): Drawn => ({
    times: points.map((point) => point.at ?? 0),
    series: fields.map(([field, label, color], index) => ({
      label,
      color,
      fill: index === 0,
      values: points.map((point) => (point[field] === undefined || point[field] === null ? null : point[field] * scale(stepMs))),
    })),
  });
}

const perSecond = (stepMs: number) => 1000 / stepMs;
const asIs = () => 1;

export const METRICS: Metric[] = [
  {
    id: "traffic",
    label: "traffic",
    title: "Traffic, mean of each step",
    format: rate,
    draw: (points, stepMs, until) => {
      const lines = rates(points, stepMs, until);
      return {
        times: lines.times,
        series: [
          { label: "out", color: "out", values: lines.out, fill: true },
          { label: "in", color: "in", values: lines.in, fill: true },
        ],
      };
    },
  },
  { id: "peaks", label: "peaks", title: "Highest rate of each step", format: rate, draw: plain([["maxRateOut", "out", "out"], ["maxRateIn", "in", "in"]], asIs) },
  { id: "messages", label: "messages", title: "Messages", format: formatPerSecond, draw: plain([["messagesOut", "out", "out"], ["messagesIn", "in", "in"]], perSecond) },
  {
    id: "requests",
    label: "requests",
    title: "Requests by outcome",
    format: formatPerSecond,
    draw: plain([["ok", "answered", "third"], ["clientError", "refused (4xx)", "out"], ["serverError", "failed (5xx)", "fourth"]], perSecond),
  },
  {
    id: "clients",
    label: "clients",
    title: "Connections, sessions and players",
    format: formatCount,
    draw: plain([["players", "players", "third"], ["sessions", "sessions", "out"], ["connections", "connections", "in"]], asIs),
  },
];

export function metricOf(id: string | undefined): Metric {
  return METRICS.find((metric) => metric.id === id) ?? (METRICS[0] as Metric);
}
