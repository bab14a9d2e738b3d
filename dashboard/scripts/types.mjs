// Makes src/api/schema.d.ts from the API's own description, which is made from the proxy's code.

import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../docs/reference/openapi.json", import.meta.url);
const TYPES = new URL("../src/api/schema.d.ts", import.meta.url);
const HEAD = "// Made by `npm run types` from docs/reference/openapi.json. Not to be edited.\n\n";

/** The types that belong to the description as it is. */
export async function types() {
  return HEAD + astToString(await openapiTS(JSON.parse(readFileSync(DOCUMENT, "utf8"))));
}

if (import.meta.url === `file://${process.argv[1]}`) writeFileSync(TYPES, await types());
