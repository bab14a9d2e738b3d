// What the API answers, under the names that the page uses. The types come from the API's own description, except that
// everything in them may be missing: a page may be older than its proxy, and the stream leaves out what is null.

import type { components } from "./schema";

type Schemas = components["schemas"];

type Loose<T> = T extends (infer Item)[] ? Loose<Item>[] : T extends object ? { [Name in keyof T]?: Loose<T[Name]> | undefined } : T;

export type Me = Schemas["Me"];
export type Scope = Schemas["Scope"];
export type NodeState = Schemas["NodeState"];
export type Level = Schemas["Level"];
export type ConnectionAddress = Loose<Schemas["ConnectionAddress"]>;
export type MadeToken = Schemas["MadeToken"];
export type TokenRow = Schemas["Token"];
export type Settings = Loose<Schemas["Settings"]>;

export type Overview = Loose<Schemas["Overview"]>;
export type ProblemItem = Loose<Schemas["Problem"]>;

export type NodeRow = Loose<Schemas["Node"]>;
export type NodeList = Loose<Schemas["NodeList"]>;
export type NodeHistory = Loose<Schemas["NodeHistory"]>;
export type ProbeOutcome = Loose<Schemas["ProbeOutcome"]>;
export type Drain = Loose<Schemas["Drain"]>;
export type Choice = Loose<Schemas["Choice"]>;

export type ConnectionRow = Loose<Schemas["Connection"]>;
export type GroupRow = Loose<Schemas["ConnectionGroup"]>;
export type ClosedConnection = Loose<Schemas["ClosedConnection"]>;

export type SessionRow = Loose<Schemas["Session"]>;
export type SessionDetail = Loose<Schemas["SessionDetail"]>;
export type Link = Loose<Schemas["Link"]>;
export type Migration = Loose<Schemas["Migration"]>;
export type PlayerList = Loose<Schemas["PlayerList"]>;
export type PlayerRow = Loose<Schemas["Player"]>;

/** Of an address or of a tenant. */
export type UsageRow = Loose<Schemas["UsageNow"] & Schemas["Traffic"]> & { ip?: string | null | undefined; tenant?: string | undefined };
export type UsageTotal = Loose<Schemas["UsageTotal"]>;
export type UsagePoint = Loose<Schemas["UsagePoint"]>;

export type AlertRow = Loose<Schemas["Alert"]>;
export type AlertList = Loose<Schemas["AlertList"]>;
export type AlertRule = Loose<Schemas["AlertRule"]>;
export type AlertTestResult = Loose<Schemas["AlertTestResult"]>;

/** Part of a list, of whatever kind. */
export type Page<T> = Loose<Omit<Schemas["Page_Connection"], "items">> & { items?: T[] | undefined };
