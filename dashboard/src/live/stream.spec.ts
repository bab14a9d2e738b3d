import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SILENCE_MS, Stream, type Connection, type Reading, type Source } from "./stream";

class FakeSource implements Source {
  listeners = new Map<string, (event: MessageEvent<string>) => void>();
  closed = false;
  constructor(readonly paths: string[]) {}
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void) {
    this.listeners.set(name, listener);
  }
  close() {
    this.closed = true;
  }
  send(name: string, data?: unknown) {
    const event = { data: data === undefined ? undefined : JSON.stringify(data) };
    this.listeners.get(name)?.(event as MessageEvent<string>);
  }
}

let sources: FakeSource[];
let readings: Map<string, Reading>;
let paints: number;
let frames: (() => void)[];
let connection: Connection;
let stream: Stream;

const last = () => sources[sources.length - 1] as FakeSource;
const settle = () => vi.advanceTimersByTime(50);
const paint = () => frames.splice(0).forEach((frame) => frame());

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  readings = new Map();
  frames = [];
  paints = 0;
  stream = new Stream({
    open: (paths) => {
      const source = new FakeSource(paths);
      sources.push(source);
      return source;
    },
    changed: (changed) => {
      paints += 1;
      changed.forEach((reading, path) => readings.set(path, reading));
    },
    connection: (state) => (connection = state),
    frame: (frame) => frames.push(frame),
  });
});
afterEach(() => vi.useRealTimers());

describe("the stream of a page", () => {
  it("is one for all that is watched, and is opened again when that changes", () => {
    stream.watch("overview");
    stream.watch("nodes");
    settle();
    expect(sources.map((source) => source.paths)).toEqual([["overview", "nodes"]]);
    stream.watch("overview");
    stream.unwatch("overview");
    settle();
    expect(sources).toHaveLength(1);
    stream.unwatch("nodes");
    settle();
    expect(last().paths).toEqual(["overview"]);
    expect(sources[0]?.closed).toBe(true);
  });

  it("puts snapshots and deltas together and paints once a frame", () => {
    stream.watch("overview");
    settle();
    last().send("snapshot", { watch: 0, value: { players: 1, items: { $order: ["a"], $rows: { a: { id: "a", n: 1 } } } } });
    last().send("delta", { watch: 0, patch: { players: 2 } });
    last().send("delta", { watch: 0, patch: { items: { $rows: { a: { n: 3 } } } } });
    expect(paints).toBe(0);
    paint();
    expect(paints).toBe(1);
    expect(readings.get("overview")).toEqual({ value: { players: 2, items: [{ id: "a", n: 3 }] } });
    expect(connection.kind).toBe("live");
  });

  it("hands over the proxy's refusal of one resource without giving up the others", () => {
    stream.watch("sessions/x");
    settle();
    last().send("error", { watch: 0, status: 404, message: "gone" });
    paint();
    expect(readings.get("sessions/x")).toEqual({ problem: { status: 404, message: "gone" } });
    expect(last().closed).toBe(false);
  });

  it("notices silence, says so, and tries again, later each time", () => {
    stream.watch("overview");
    settle();
    last().send("tick", { at: 1 });
    expect(connection.kind).toBe("live");
    vi.advanceTimersByTime(SILENCE_MS + 1);
    expect(connection.kind).toBe("lost");
    expect(last().closed).toBe(true);
    const waits: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      if (connection.kind !== "lost") throw new Error(connection.kind);
      waits.push(connection.retryAt - Date.now());
      const before = sources.length;
      vi.advanceTimersByTime(30_000);
      expect(sources.length).toBeGreaterThan(before);
      last().send("error");
    }
    expect(waits[0]).toBeLessThanOrEqual(1_000);
    expect(waits[3]).toBeGreaterThan(waits[0] as number);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
  });

  it("says since when it is lost, and that it is back", () => {
    stream.watch("overview");
    settle();
    const lost = Date.now();
    last().send("error");
    vi.advanceTimersByTime(1_001);
    last().send("error");
    expect(connection).toMatchObject({ kind: "lost", since: lost });
    vi.advanceTimersByTime(5_000);
    last().send("tick", { at: 1 });
    expect(connection.kind).toBe("live");
  });

  it("rests while the page is hidden and starts anew on return", () => {
    stream.watch("overview");
    settle();
    stream.setHidden(true);
    settle();
    expect(last().closed).toBe(true);
    expect(connection.kind).toBe("paused");
    vi.advanceTimersByTime(120_000);
    expect(sources).toHaveLength(1);
    stream.setHidden(false);
    settle();
    expect(last().paths).toEqual(["overview"]);
  });

  it("does not listen to a stream that it has closed", () => {
    stream.watch("overview");
    settle();
    const old = last();
    stream.watch("nodes");
    settle();
    old.send("snapshot", { watch: 0, value: { players: 9 } });
    old.send("error");
    paint();
    expect(readings.size).toBe(0);
    expect(last().closed).toBe(false);
  });
});
