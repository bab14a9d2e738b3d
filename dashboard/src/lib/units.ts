// Figures as people read them. Nothing here knows where they come from.

export type Units = "bytes" | "bits";

const PREFIXES = ["", "k", "M", "G", "T", "P"] as const;
/** What stands for a figure that is not known. */
export const UNKNOWN = "–";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

/** Three significant digits and a decimal prefix: 12.3 M. */
function scaled(value: number): [string, string] {
  let size = Math.abs(value);
  let step = 0;
  while (size >= 999.5 && step < PREFIXES.length - 1) {
    size /= 1000;
    step += 1;
  }
  const digits = step === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return [(Math.sign(value) * size).toFixed(digits), PREFIXES[step] ?? ""];
}

type Figure = number | null | undefined;

function known(value: Figure): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

export function formatBytes(value: Figure): string {
  if (!known(value)) return UNKNOWN;
  const [text, prefix] = scaled(value);
  return `${text} ${prefix === "k" ? "K" : prefix}B`;
}

/** Takes bytes per second, whatever is shown. */
export function formatRate(value: Figure, units: Units): string {
  if (!known(value)) return UNKNOWN;
  if (units === "bytes") return `${formatBytes(value < 0.5 ? 0 : value)}/s`;
  const [text, prefix] = scaled(value < 0.0625 ? 0 : value * 8);
  return `${text} ${prefix}bit/s`;
}

/** Messages or requests per second. */
export function formatPerSecond(value: Figure): string {
  if (!known(value)) return UNKNOWN;
  if (value === 0) return "0/s";
  if (value < 10) return `${value.toFixed(1)}/s`;
  const [text, prefix] = scaled(value);
  return `${text}${prefix}/s`;
}

/** Every digit, grouped. */
export function formatCount(value: Figure): string {
  return known(value) ? whole.format(value) : UNKNOWN;
}

/** At most about four characters, for narrow places. */
export function formatShort(value: Figure): string {
  if (!known(value)) return UNKNOWN;
  if (Math.abs(value) < 10_000) return whole.format(value);
  const [text, prefix] = scaled(value);
  return `${text}${prefix}`;
}

/** A part of one; two decimals near 100 %, since that is where uptimes differ. */
export function formatPercent(value: Figure): string {
  if (!known(value)) return UNKNOWN;
  const percent = value * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  const digits = percent > 99 ? 2 : percent < 10 ? 1 : 0;
  // Rounded down, so that only what is perfect is shown as 100.
  const factor = 10 ** digits;
  return `${(Math.floor(percent * factor) / factor).toFixed(digits)} %`;
}

export function formatMillis(value: Figure): string {
  if (!known(value)) return UNKNOWN;
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${value.toFixed(0)} ms`;
  return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} s`;
}

/** A number without a unit, such as a score. */
export function formatNumber(value: Figure, digits = 1): string {
  return known(value) ? value.toFixed(digits) : UNKNOWN;
}

/** 1 node, 2 nodes. */
export function plural(count: Figure, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
