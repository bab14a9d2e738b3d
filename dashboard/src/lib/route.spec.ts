import { describe, expect, it } from "vitest";
import { formatQuery, formatRoute, parseRoute } from "./route";

describe("the page's address", () => {
  it.each([
    ["", "overview", null, {}],
    ["#/", "overview", null, {}],
    ["#/nodes/eu%2F1", "nodes", "eu/1", {}],
    ["#/connections?q=10.0&sort=-rate", "connections", null, { q: "10.0", sort: "-rate" }],
    ["#/nodes/%E0%A4%A", "nodes", "%E0%A4%A", {}],
  ])("%s", (hash, view, id, params) => expect(parseRoute(hash)).toEqual({ view, id, params }));

  it("is read back as it was written", () => {
    const written = formatRoute("sessions", "a b/c", { q: "x&y", sort: "", offset: 0, tenant: null });
    expect(parseRoute(written)).toEqual({ view: "sessions", id: "a b/c", params: { q: "x&y", offset: "0" } });
    expect(formatQuery({ q: "" })).toBe("");
  });
});
