import { describe, expect, it } from "vitest";
import { before, rates, remember, type Lines } from "./history";

describe("history as lines", () => {
  it("is in bytes per second whatever the step", () => {
    const lines = rates([{ at: 0, bytesIn: 600, bytesOut: 60 }, { at: 60_000, bytesIn: 0, bytesOut: 120 }], 60_000);
    expect(lines).toEqual({ times: [0, 60_000], in: [10, 0], out: [1, 2] });
  });

  it("takes the step under way by what of it is over, or not yet", () => {
    const points = [{ at: 0, bytesIn: 100, bytesOut: 0 }, { at: 10_000, bytesIn: 60, bytesOut: 0 }];
    expect(rates(points, 10_000, 16_000).in).toEqual([10, 10]);
    expect(rates(points, 10_000, 12_000).in).toEqual([10]);
  });

  it("has gaps where there is nothing", () => {
    const lines = rates([{ at: 0, bytesIn: 10 }, { at: 50_000, bytesIn: 20 }], 10_000);
    expect(lines.times).toEqual([0, 10_000, 50_000]);
    expect(lines.in).toEqual([1, null, 2]);
  });

  it("puts what is kept before what was seen, and nothing twice", () => {
    const seen = { times: [30, 40], in: [3, 4], out: [0, 0] };
    const kept = { times: [10, 20, 30], in: [1, 2, 9], out: [0, 0, 0] };
    expect(before(seen, kept)).toEqual({ times: [10, 20, 30, 40], in: [1, 2, 3, 4], out: [0, 0, 0, 0] });
    expect(before({ times: [], in: [], out: [] }, kept)).toEqual(kept);
  });

  it("remembers the last seconds, once each, and forgets older ones", () => {
    let lines: Lines = { times: [], in: [], out: [] };
    for (const at of [1000, 2000, 2000, 3000, 12_000]) lines = remember(lines, at, at, 0, 11_000);
    expect(lines.times).toEqual([2000, 3000, 4000, 12_000]);
    expect(lines.in).toEqual([2000, 3000, null, 12_000]);
  });
});
