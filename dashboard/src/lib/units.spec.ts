import { describe, expect, it } from "vitest";
import { formatBytes, formatMillis, formatPercent, formatPerSecond, formatRate, formatShort, plural } from "./units";

describe("figures", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 KB"],
    [12_345, "12.3 KB"],
    [999_499, "999 KB"],
    [999_600, "1.00 MB"],
    [1_234_567_890, "1.23 GB"],
    [undefined, "–"],
    [null, "–"],
  ])("%s bytes are shown as %s", (value, expected) => expect(formatBytes(value)).toBe(expected));

  it.each([
    [125_000, "bytes", "125 KB/s"],
    [125_000, "bits", "1.00 Mbit/s"],
    [0.2, "bytes", "0 B/s"],
    [0.01, "bits", "0 bit/s"],
    [100, "bits", "800 bit/s"],
    [undefined, "bits", "–"],
  ] as const)("%s bytes per second in %s are %s", (value, units, expected) =>
    expect(formatRate(value, units)).toBe(expected),
  );

  it("never rounds an uptime up to perfect", () => {
    expect(formatPercent(1)).toBe("100 %");
    expect(formatPercent(0.99999)).toBe("99.99 %");
    expect(formatPercent(0.5)).toBe("50 %");
    expect(formatPercent(0.0123)).toBe("1.2 %");
  });

  it("stays short where there is little room", () => {
    expect(formatShort(9_999).length).toBeLessThanOrEqual(5);
    expect(formatShort(1_234_567)).toBe("1.23M");
    expect(formatPerSecond(0.04)).toBe("0.0/s");
    expect(formatPerSecond(12_300)).toBe("12.3k/s");
    expect(formatMillis(3.21)).toBe("3.2 ms");
    expect(formatMillis(1500)).toBe("1.5 s");
    expect(plural(1, "node")).toBe("1 node");
    expect(plural(0, "node")).toBe("0 nodes");
  });
});
