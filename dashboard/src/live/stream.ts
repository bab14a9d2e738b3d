// The one event stream of an open page: which resources are watched, what was last heard of each, and whether the
// proxy is still heard at all. Reading what it sends is `patch.ts`; showing it is `live.svelte.ts`.

import { mergePatch, unfold } from "./patch";

/** How a watched resource stands. */
export interface Reading {
  value?: unknown;
  /** Why the proxy cannot show it. */
  problem?: { status: number; message: string };
}

export type Connection =
  | { kind: "connecting" }
  | { kind: "live" }
  /** Nothing watched, or the tab is hidden. */
  | { kind: "paused" }
  | { kind: "lost"; since: number; retryAt: number };

/** The part of an EventSource that is used. */
export interface Source {
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface StreamOptions {
  open(paths: string[]): Source;
  /** Called at most once a frame, with the paths whose readings changed. */
  changed(readings: Map<string, Reading>): void;
  connection(state: Connection): void;
  /** The proxy's clock, about once a second. */
  tick?(at: number): void;
  /** Called when a stream could not be had, to find out whether the login is over. */
  failed?(): void;
  frame?(paint: () => void): void;
}

/** Ticks come each second; this long without one and the stream is dead, whatever the browser thinks. */
export const SILENCE_MS = 6_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** Views come and go in one go; their wishes are put together. */
const SETTLE_MS = 20;

export class Stream {
  private readonly options: StreamOptions;
  private readonly wishes = new Map<string, number>();
  /** What was received, as received. */
  private wire = new Map<string, unknown>();
  private pending = new Map<string, Reading>();
  private painting = false;
  private source: Source | null = null;
  private sourcePaths: string[] = [];
  private hidden = false;
  private failures = 0;
  private lostSince: number | null = null;
  private settle: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: StreamOptions) {
    this.options = options;
  }

  watch(path: string): void {
    this.wishes.set(path, (this.wishes.get(path) ?? 0) + 1);
    this.arrange();
  }

  unwatch(path: string): void {
    const left = (this.wishes.get(path) ?? 0) - 1;
    if (left > 0) this.wishes.set(path, left);
    else this.wishes.delete(path);
    this.arrange();
  }

  /** A hidden page costs the proxy nothing. */
  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.failures = 0;
    this.arrange(true);
  }

  /** Tries at once, as when a person asks for it. */
  retryNow(): void {
    this.failures = 0;
    this.open();
  }

  /** Drops everything, as after a logout. */
  stop(): void {
    this.wishes.clear();
    this.lostSince = null;
    this.close();
    this.options.connection({ kind: "paused" });
  }

  private arrange(force = false): void {
    clearTimeout(this.settle);
    this.settle = setTimeout(() => {
      const wanted = this.hidden ? [] : [...this.wishes.keys()];
      const same = wanted.length === this.sourcePaths.length && wanted.every((path) => this.sourcePaths.includes(path));
      // While it waits to try again, the new wishes are part of that try.
      if ((same && this.source && !force) || (this.retry !== undefined && !force && wanted.length > 0)) return;
      this.open();
    }, SETTLE_MS);
  }

  private open(): void {
    this.close();
    const paths = this.hidden ? [] : [...this.wishes.keys()];
    if (paths.length === 0) {
      this.lostSince = null;
      this.options.connection({ kind: "paused" });
      return;
    }
    if (this.lostSince === null) this.options.connection({ kind: "connecting" });
    this.sourcePaths = paths;
    const source = this.options.open(paths);
    this.source = source;
    const hear = (name: string, take: (data: Message) => void) =>
      source.addEventListener(name, (event) => {
        if (this.source === source && typeof event.data === "string") this.heard(JSON.parse(event.data) as Message, take);
      });
    hear("snapshot", (data) => this.take(paths[data.watch ?? -1], data.value));
    hear("delta", (data) => {
      const path = paths[data.watch ?? -1];
      if (path !== undefined) this.take(path, mergePatch(this.wire.get(path), data.patch));
    });
    hear("tick", (data) => this.options.tick?.(data.at ?? Date.now()));
    source.addEventListener("error", (event) => {
      if (this.source !== source) return;
      // The proxy's word on one resource, or the browser's on the whole connection.
      if (typeof event.data === "string") this.heard(JSON.parse(event.data) as Message, (data) => this.refuse(paths, data));
      else this.lose();
    });
    this.listen();
  }

  private heard(data: Message, take: (data: Message) => void): void {
    this.listen();
    this.failures = 0;
    this.lostSince = null;
    this.options.connection({ kind: "live" });
    take(data);
  }

  private take(path: string | undefined, value: unknown): void {
    if (path === undefined) return;
    this.wire.set(path, value);
    this.paint(path, { value: unfold(value) });
  }

  private refuse(paths: string[], data: Message): void {
    const path = paths[data.watch ?? -1];
    if (path === undefined) return;
    this.wire.delete(path);
    this.paint(path, { problem: { status: data.status ?? 500, message: data.message ?? "" } });
  }

  private paint(path: string, reading: Reading): void {
    this.pending.set(path, reading);
    if (this.painting) return;
    this.painting = true;
    (this.options.frame ?? ((paint) => requestAnimationFrame(paint)))(() => {
      const readings = this.pending;
      this.pending = new Map();
      this.painting = false;
      this.options.changed(readings);
    });
  }

  private listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), SILENCE_MS);
  }

  private lose(): void {
    this.close();
    this.options.failed?.();
    const now = Date.now();
    this.lostSince ??= now;
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.failures) * (0.75 + Math.random() / 4);
    this.failures += 1;
    this.options.connection({ kind: "lost", since: this.lostSince, retryAt: now + wait });
    this.retry = setTimeout(() => this.open(), wait);
  }

  private close(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.retry = undefined;
    this.source?.close();
    this.source = null;
    this.sourcePaths = [];
    this.wire = new Map();
  }
}

interface Message {
  watch?: number;
  value?: unknown;
  patch?: unknown;
  status?: number;
  message?: string;
  at?: number;
}
