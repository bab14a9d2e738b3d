// Settings as they would be written in the configuration file, to be read and searched; not a general TOML writer.

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table => typeof value === "object" && value !== null && !Array.isArray(value);
const isTables = (value: unknown): value is Table[] => Array.isArray(value) && value.length > 0 && value.every(isTable);
const name = (key: string) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (isTable(value)) return `{ ${pairs(value).map(([key, field]) => `${name(key)} = ${inline(field)}`).join(", ")} }`;
  return JSON.stringify(value) ?? '""';
}

/** What is null was left out of the file. */
function pairs(table: Table): [string, unknown][] {
  return Object.entries(table).filter(([, value]) => value !== null && value !== undefined);
}

function lines(table: Table, path: string): string[] {
  const all = pairs(table);
  const plain = all.filter(([, value]) => !isTable(value) && !isTables(value)).map(([key, value]) => `${name(key)} = ${inline(value)}`);
  const below = all.flatMap(([key, value]) => {
    const full = path ? `${path}.${name(key)}` : name(key);
    if (isTables(value)) return value.flatMap((entry) => ["", `[[${full}]]`, ...lines(entry, full)]);
    if (!isTable(value)) return [];
    const inner = lines(value, full);
    // A table of tables needs no heading of its own.
    return inner.length === 0 || inner[0] === "" ? inner : ["", `[${full}]`, ...inner];
  });
  return [...plain, ...below];
}

export function toToml(config: Table): string {
  return lines(config, "").join("\n").trim();
}
