import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { types } from "../../scripts/types.mjs";

it("the types are those of the API's description; else run `cargo xtask docs`", async () => {
  expect(readFileSync(new URL("./schema.d.ts", import.meta.url), "utf8")).toBe(await types());
}, 60_000);
