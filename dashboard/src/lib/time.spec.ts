import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, formatAgo, formatDuration, formatTrackTime, fromLocalInput, toLocalInput } from "./time";

describe("times", () => {
  it.each([
    [0, "0 s"],
    [12_400, "12 s"],
    [5 * MINUTE, "5 min"],
    [5 * MINUTE + 12_000, "5 min 12 s"],
    [3 * HOUR + 59_000, "3 h"],
    [3 * DAY + 4 * HOUR + 5 * MINUTE, "3 d 4 h"],
    [-5, "0 s"],
    [null, "–"],
  ])("%s ms are %s", (ms, expected) => expect(formatDuration(ms)).toBe(expected));

  it("says how long ago, and never that it will be", () => {
    expect(formatAgo(1_000, 1_500)).toBe("now");
    expect(formatAgo(9_000, 1_000)).toBe("now");
    expect(formatAgo(0, 65_000)).toBe("1 min 5 s ago");
    expect(formatAgo(0, 2 * HOUR + 30_000)).toBe("2 h ago");
    expect(formatAgo(undefined, 1)).toBe("–");
  });

  it("shows positions in tracks as players do", () => {
    expect(formatTrackTime(0)).toBe("0:00");
    expect(formatTrackTime(187_000)).toBe("3:07");
    expect(formatTrackTime(3_723_000)).toBe("1:02:03");
  });

  it("reads back what a date field shows", () => {
    const at = new Date(2026, 10, 26, 13, 5).getTime();
    expect(toLocalInput(at)).toBe("2026-11-26T13:05");
    expect(fromLocalInput(toLocalInput(at))).toBe(at);
    expect(fromLocalInput("")).toBeNull();
  });
});
