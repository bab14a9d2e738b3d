import { describe, expect, it } from "vitest";
import { mergePatch, unfold } from "./patch";

describe("a merge patch", () => {
  // The cases of RFC 7396, appendix A.
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c", "d"], ["c", "d"]],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j patched with %j is %j", (target, patch, expected) => {
    expect(mergePatch(target, patch)).toEqual(expected);
  });

  it("changes nothing in place and keeps what it leaves alone", () => {
    const before = { same: { x: 1 }, other: { y: 1 } };
    const after = mergePatch(before, { other: { y: 2 } }) as typeof before;
    expect(before.other.y).toBe(1);
    expect(after.same).toBe(before.same);
    expect(after.other).toEqual({ y: 2 });
  });
});

describe("a folded list", () => {
  const page = {
    matched: 3,
    items: { $order: ["b", "a"], $rows: { a: { id: "a", n: 1 }, b: { id: "b", n: 2 } } },
  };

  it("becomes an array in the order that was sent", () => {
    expect(unfold(page)).toEqual({ matched: 3, items: [{ id: "b", n: 2 }, { id: "a", n: 1 }] });
  });

  it("follows patches: a changed row, a new one, one that is gone, another order", () => {
    const patch = {
      items: { $order: ["c", "a"], $rows: { a: { n: 5 }, b: null, c: { id: "c", n: 9 } } },
    };
    expect(unfold(mergePatch(page, patch))).toEqual({
      matched: 3,
      items: [{ id: "c", n: 9 }, { id: "a", n: 5 }],
    });
  });

  it("keeps the rows that did not change as they were, and nested lists too", () => {
    const nested = { items: { $order: ["n"], $rows: { n: { name: "n", recent: [{ at: 1 }], rows: page.items } } } };
    const before = unfold(nested) as { items: [{ rows: unknown[] }] };
    const after = unfold(mergePatch(nested, { items: { $rows: { n: { rows: { $rows: { a: { n: 7 } } } } } } })) as typeof before;
    expect(after.items[0].rows[0]).toBe(before.items[0].rows[0]);
    expect(after.items[0].rows[1]).toEqual({ id: "a", n: 7 });
  });

  it("leaves out keys without a row", () => {
    expect(unfold({ $order: ["x", null, 3], $rows: { "3": { key: 3 } } })).toEqual([{ key: 3 }]);
  });
});
