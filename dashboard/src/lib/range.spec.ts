import { describe, expect, it } from "vitest";
import { queryOf, rangeOf } from "./range";

describe("the range of the history", () => {
  const now = 1_000_000_000_000;
  it.each([
    [{}, "1h", now - 3_600_000, now],
    [{ range: "7d" }, "7d", now - 604_800_000, now],
    [{ range: "custom", from: "5", to: "9" }, "custom", 5, 9],
    [{ range: "custom", from: "9", to: "5" }, "1h", now - 3_600_000, now],
    [{ range: "custom" }, "1h", now - 3_600_000, now],
    [{ range: "x" }, "1h", now - 3_600_000, now],
  ] as const)("%j", (params, id, from, to) => {
    expect(rangeOf(params, now)).toEqual({ id, from, to, fixed: id === "custom" });
  });

  it("moves on with the clock unless it was chosen to the minute", () => {
    expect(queryOf(rangeOf({}, now), now + 5)).toEqual({ from: now + 5 - 3_600_000 });
    expect(queryOf(rangeOf({ range: "custom", from: "5", to: "9" }, now), now + 5)).toEqual({ from: 5, to: 9 });
  });
});
