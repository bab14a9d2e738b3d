// What the API answers, as the page uses it. The types come from the API's own description, but that everything in them
// may be missing: a page may be older than its proxy, and each part of it shows what is there.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type Scope = Schemas["Scope"];
export type TokenRow = Schemas["Token"];
export type MadeToken = Schemas["MadeToken"];

type Id = string;
type Ms = number;

export type NodeState = "healthy" | "degraded" | "down" | "draining" | "unknown";
export type Level = "quiet" | "normal" | "high" | "extreme";

export interface Page<T> { sampledAt?: Ms; matched?: number; offset?: number; limit?: number; items?: T[] }

export interface Flow { bytesIn?: number; bytesOut?: number; messagesIn?: number; messagesOut?: number }
export interface Outcomes { ok?: number; clientError?: number; serverError?: number }
export interface Traffic {
  bytesIn?: number; bytesOut?: number; messagesIn?: number; messagesOut?: number; requests?: number;
  outcomes?: Outcomes; rates?: { second?: Flow; tenSeconds?: Flow; minute?: Flow };
}

export interface ProblemItem {
  kind?: string; node?: string | null; since?: Ms | null; message?: string; sessions?: number | null; players?: number | null;
}

export interface Overview {
  version?: string; startedAt?: Ms; uptimeMs?: number; ready?: boolean; stopping?: boolean; sampledAt?: Ms;
  nodes?: { total?: number } & Partial<Record<NodeState, number>>;
  connections?: { open?: number; opened?: number };
  sessions?: { total?: number; parked?: number; byVersion?: Record<string, number> };
  players?: number; playersPlaying?: number | null;
  clientSide?: Traffic & { byVersion?: Record<string, Traffic> };
  nodeSide?: Traffic;
  refusals?: Record<string, number>;
  problems?: ProblemItem[];
  alerts?: { open?: number; unacknowledged?: number };
}

export interface ProbeOutcome { at?: Ms; ok?: boolean; latencyMs?: number | null; reason?: string | null }
export interface Choice { at?: Ms; sessionId?: Id; why?: string }
export interface NodeStats {
  players?: number; playingPlayers?: number; uptime?: number;
  memory?: { used?: number; reservable?: number; allocated?: number; free?: number };
  cpu?: { cores?: number; systemLoad?: number; lavalinkLoad?: number };
  frameStats?: { sent?: number; nulled?: number; deficit?: number } | null;
}
export interface NodeRow extends Traffic {
  name?: string; url?: string | null; generation?: string | null; version?: string | null; dave?: boolean | null;
  state?: NodeState; health?: NodeState; since?: Ms; lastFailure?: { reason?: string; at?: Ms } | null;
  weight?: number; regions?: string[]; load?: { score?: number | null; explanation?: string };
  stats?: NodeStats | null; statsAt?: Ms | null; sessions?: number; links?: number; outstanding?: number; pending?: number;
  latencyMs?: number | null; recent?: ProbeOutcome[]; choices?: Choice[]; uptime?: { day?: number | null; month?: number | null } | null;
}
export interface NodeHistory {
  states?: { at?: Ms; from?: string; to?: string; why?: string | null }[];
  probes?: { at?: Ms; stepMs?: number; ok?: number; failed?: number; latencyMeanMs?: number | null; latencyMaxMs?: number | null }[];
}

export interface ConnectionRow extends Traffic {
  id?: Id; ip?: string; port?: number; tls?: boolean; openedAt?: Ms; tenant?: string; version?: string; sessionId?: Id | null;
  clientName?: string | null; userId?: Id | null;
}
export interface GroupRow extends Traffic { key?: string; connections?: number }
export interface ClosedConnection extends ConnectionRow { closedAt?: Ms; ended?: string }
export interface Paged<T> { items?: T[]; next?: string | number | null }

export interface SessionRow extends Traffic {
  id?: Id; tenant?: string; userId?: Id; clientName?: string | null; version?: string; node?: string | null;
  nodeSessionId?: string | null; players?: number; parked?: boolean; resuming?: boolean; resumeTimeoutSeconds?: number;
  openedAt?: Ms; ip?: string | null; connectionId?: Id | null;
}
export interface Track { title?: string; author?: string; uri?: string | null; sourceName?: string; lengthMs?: number; isStream?: boolean }
export interface PlayerRow {
  guildId?: Id; node?: string | null; track?: Track | null; positionMs?: number | null; paused?: boolean; volume?: number;
  connected?: boolean; pingMs?: number | null; filters?: string[];
}

export interface UsageRow extends Traffic {
  ip?: string | null; tenant?: string; connections?: number; level?: Level; sessions?: number; players?: number; firstSeenAt?: Ms | null;
}
export interface UsageTotal {
  key?: string | null; bytesIn?: number; bytesOut?: number; messagesIn?: number; messagesOut?: number; requests?: number;
  outcomes?: Outcomes; connectionsOpened?: number; maxConnections?: number; maxSessions?: number; maxPlayers?: number;
  maxRateIn?: number; maxRateOut?: number; meanRateIn?: number; meanRateOut?: number;
}
export interface HistoryPoint {
  at?: Ms; bytesIn?: number; bytesOut?: number; messagesIn?: number; messagesOut?: number; requests?: number; ok?: number;
  clientError?: number; serverError?: number; connectionsOpened?: number; connections?: number; sessions?: number;
  players?: number; maxRateIn?: number; maxRateOut?: number;
}
export interface History { scope?: string; key?: string | null; from?: Ms; to?: Ms; stepMs?: number; points?: HistoryPoint[] }
export interface Sparklines { stepMs?: number; from?: Ms; series?: Record<string, (number | null)[]> }

export interface AlertRow {
  id?: Id | number; rule?: string; severity?: "warning" | "critical"; subject?: string; text?: string; value?: number | null;
  threshold?: number | null; raisedAt?: Ms; updatedAt?: Ms; clearedAt?: Ms | null; acknowledgedAt?: Ms | null; acknowledgedBy?: string | null;
}
export interface AlertRule { name?: string; summary?: string; enabled?: boolean; parameters?: Record<string, unknown> | null }
export interface AlertTest { results?: { target?: string; ok?: boolean; message?: string }[] }

export interface Settings {
  version?: string; connection?: { host?: string | null; port?: number; tls?: boolean; url?: string | null };
  levels?: { name?: Level; from?: number }[]; history?: boolean; tenants?: string[]; alerts?: boolean; status?: boolean;
}
