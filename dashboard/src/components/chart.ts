// How a chart is drawn: uPlot's options from a few words.

import type uPlot from "uplot";

export interface Series {
  label: string;
  color: "in" | "out" | "third" | "fourth";
  values: (number | null | undefined)[];
  fill?: boolean;
}

const VARIABLES = { in: "--series-in", out: "--series-out", third: "--series-3", fourth: "--series-4" } as const;

/** The colour that a variable has in the theme in force; a canvas understands no variables. */
function color(holder: HTMLElement, variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  holder.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function faded(value: string, alpha: number): string {
  return value.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

const two = (value: number) => String(value).padStart(2, "0");

/** 24 hours, in the viewer's zone; with the day where that changes. */
function ticks(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  let day = "";
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000);
    const today = date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
    const time = `${two(date.getHours())}:${two(date.getMinutes())}${step < 60 ? `:${two(date.getSeconds())}` : ""}`;
    const shown = step >= 86_400 ? today : today !== day && day !== "" ? today : time;
    day = today;
    return shown;
  });
}

export function chartOptions(
  series: Series[],
  format: (value: number) => string,
  width: number,
  height: number,
  holder: HTMLElement,
  pointed: (index: number | null) => void,
): uPlot.Options {
  const axis = {
    stroke: color(holder, "--ink-3"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: color(holder, "--grid"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, 16, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { x: { time: true, auto: false }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { ...axis, size: 26, gap: 4, space: 64, values: ticks },
      { ...axis, size: 74, gap: 6, space: 36, values: (_, splits) => splits.map((value) => format(value)) },
    ],
    series: [
      {},
      ...series.map((one): uPlot.Series => {
        const stroke = color(holder, VARIABLES[one.color]);
        return { label: one.label, stroke, width: 1.5, spanGaps: false, points: { show: false }, ...(one.fill ? { fill: faded(stroke, 0.1) } : {}) };
      }),
    ],
    hooks: { setCursor: [(plot) => pointed(plot.cursor.idx ?? null)] },
  };
}
