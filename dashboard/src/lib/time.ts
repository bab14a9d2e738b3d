// Times in the viewer's zone, and lengths of time. Nothing here reads a clock: what the time is now comes as an argument.

import { UNKNOWN } from "./units";

type Moment = number | null | undefined;

const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

/** 13:05:07 */
export function formatClock(at: Moment): string {
  return typeof at === "number" ? clock.format(at) : UNKNOWN;
}

/** With the day and the zone, for titles. */
export function formatFull(at: Moment): string {
  return typeof at === "number" ? full.format(at) : UNKNOWN;
}

/** The time of day today, else with the day. */
export function formatMoment(at: Moment, now: number): string {
  if (typeof at !== "number") return UNKNOWN;
  const today = new Date(at).toDateString() === new Date(now).toDateString();
  return (today ? clock : day).format(at);
}

/** The two largest units: 3 d 4 h, 5 min 12 s, 12 s. */
export function formatDuration(ms: Moment): string {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return UNKNOWN;
  const seconds = Math.max(0, Math.floor(ms / SECOND));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** How long ago; a clock that is a little ahead does not make it the future. */
export function formatAgo(at: Moment, now: number): string {
  if (typeof at !== "number") return UNKNOWN;
  const ms = now - at;
  if (ms < 2 * SECOND) return "now";
  return `${formatDuration(ms < HOUR ? ms : ms - (ms % MINUTE))} ago`;
}

/** A position in a track: 3:07, 1:02:03. */
export function formatTrackTime(ms: Moment): string {
  if (typeof ms !== "number") return UNKNOWN;
  const seconds = Math.max(0, Math.floor(ms / SECOND));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest.replace(/^0/, "");
}

/** A value of `<input type="datetime-local">`, which has no zone: the viewer's. */
export function toLocalInput(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * MINUTE);
  return local.toISOString().slice(0, 16);
}

/** The other way round; null when it says nothing. */
export function fromLocalInput(text: string): number | null {
  const at = new Date(text).getTime();
  return Number.isNaN(at) ? null : at;
}
