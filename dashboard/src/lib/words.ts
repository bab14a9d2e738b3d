// The project's words, and what they mean, in the order in which they are shown.

export const VERSIONS: Record<string, string> = {
  v4: "Lavalink v4",
  v3: "Lavalink 3.7: /v3 paths",
  "v3-legacy": "ops over the WebSocket",
  undecided: "not known yet",
};

/** Why a player moved. */
export const MOVE_REASONS = {
  node_down: "its node was lost",
  node_restarted: "its node restarted",
  drain: "its node is drained",
  operator: "somebody asked for it",
  region: "its voice region became known",
} as const;

/** How a move ended. */
export const MOVE_OUTCOMES = {
  moved: { kind: "ok", label: "moved", title: "It is on the other node and plays on" },
  stayed: { kind: "warn", label: "stayed", title: "No node took it; it plays on where it was" },
  failed: { kind: "bad", label: "lost", title: "No node took it in time; its client was told that it is gone" },
  dropped: { kind: "mute", label: "dropped", title: "Its client destroyed it, or the session ended, before it was over" },
} as const;

/** A configured value as it is written. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
