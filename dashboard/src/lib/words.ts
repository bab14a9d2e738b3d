// The project's words, and what they mean, in the order in which they are shown.

export const VERSIONS: Record<string, string> = {
  v4: "Lavalink v4",
  v3: "Lavalink 3.7: /v3 paths",
  "v3-legacy": "ops over the WebSocket",
  undecided: "not known yet",
};

/** A configured value as it is written. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
