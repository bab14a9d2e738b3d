// What the dashboard costs and how quick it is beside 10,000 connections with traffic: not a test of every run, since
// times say little on a busy machine. Run by `cargo xtask dashboard --load`, which builds the proxy optimised.

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { Page } from "@playwright/test";
import { expect, logIn, test } from "./fixtures";
import { ADMIN_PASSWORD, type Stack } from "./stack";

const CONNECTIONS = Number(process.env.LOAD_CONNECTIONS ?? 10_000);
const REQUESTS_PER_SECOND = 600;
/** Connections that come from one address. */
const PER_ADDRESS = 4;
const REQUEST = "GET /version HTTP/1.1\r\nHost: proxy\r\nAuthorization: default-password\r\n\r\n";
/** Over which the processor's time is taken. */
const SPAN_MS = 20_000;
const TICKS_PER_SECOND = 100;

test.use({ settings: "[limits]\nconnections = 0\nconnections_per_ip = 0\n" });

/** Many connections that each send a request now and then. */
class Crowd {
  private readonly sockets: Socket[] = [];
  private timer: ReturnType<typeof setInterval> | undefined;
  answered = 0;
  lost = 0;

  async open(port: number): Promise<void> {
    for (let index = 0; index < CONNECTIONS; index += 1) {
      const address = Math.floor(index / PER_ADDRESS);
      const localAddress = `127.0.${10 + Math.floor(address / 250)}.${1 + (address % 250)}`;
      const socket = connect({ host: "127.0.0.1", port, localAddress });
      await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      socket.on("data", () => (this.answered += 1));
      socket.on("error", () => undefined);
      socket.on("close", () => (this.lost += 1));
      this.sockets.push(socket);
      // Each sends one at once, so that none of them is closed as a connection that never asked.
      socket.write(REQUEST);
    }
    const [every, began] = [20, performance.now()];
    let sent = 0;
    this.timer = setInterval(() => {
      const due = ((performance.now() - began) / 1000) * REQUESTS_PER_SECOND;
      for (; sent < due; sent += 1) this.sockets[(sent * 7919) % CONNECTIONS]?.write(REQUEST);
    }, every);
  }

  close(): void {
    clearInterval(this.timer);
    this.sockets.forEach((socket) => socket.destroy());
  }
}

/** Processor time of the proxy, in % of a core. */
async function cost(pid: number): Promise<number> {
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  const [before, began] = [ticks(), performance.now()];
  await new Promise((done) => setTimeout(done, SPAN_MS));
  return ((ticks() - before) / TICKS_PER_SECOND / ((performance.now() - began) / 1000)) * 100;
}

const median = (values: number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

/** How long the page takes for what a person does, from the input to the next picture, in ms. */
async function interactions(page: Page): Promise<{ worst: number; count: number }> {
  const name = (text: string) => page.getByRole("columnheader", { name: text }).getByRole("button");
  await page.evaluate(() => {
    const seen: number[] = [];
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { interactionId?: number })[]) if (entry.interactionId) seen.push(entry.duration);
    }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
  });
  for (const column of ["So far", "Open for", "Rate"]) {
    await name(column).click();
    await page.waitForTimeout(1500);
  }
  await page.getByRole("button", { name: "Next" }).click();
  await page.waitForTimeout(1500);
  await page.getByRole("searchbox").pressSequentially("127.0.12.5", { delay: 80 });
  await page.waitForTimeout(3000);
  const seen = await page.evaluate(() => (window as unknown as { seen: number[] }).seen);
  return { worst: Math.max(0, ...seen), count: seen.length };
}

/** The middle of several answers' times to the last byte, in ms. */
async function answerTime(stack: Stack, path: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`admin:${ADMIN_PASSWORD}`).toString("base64")}`;
  const times: number[] = [];
  for (let turn = 0; turn < 9; turn += 1) {
    const began = performance.now();
    const answer = await fetch(`${stack.adminUrl}/api/v1/${path}`, { headers: { authorization } });
    await answer.arrayBuffer();
    times.push(performance.now() - began);
    expect(answer.status).toBe(200);
  }
  return median(times);
}

test("10,000 connections with traffic", async ({ page, stack }) => {
  test.setTimeout(600_000);
  const crowd = new Crowd();
  try {
    await crowd.open(stack.clientPort);
    await page.waitForTimeout(15_000);
    const closed = await cost(stack.proxyPid);
    await logIn(page, "admin", ADMIN_PASSWORD);
    await page.goto("./#/connections");
    await expect(page.locator("tbody tr").first()).toBeVisible();
    const opened = await cost(stack.proxyPid);
    const hand = await interactions(page);
    const pages = ["overview", "nodes", "connections?sort=-rate&limit=100", "connections?q=127.0.12&limit=100", "connections/groups?by=ip", "sessions", "usage/ips?sort=-rate", "usage/tenants", "usage/history?scope=total", "connections/history"];
    const answers: [string, number][] = [];
    for (const path of pages) answers.push([path, await answerTime(stack, path)]);
    const slowest = answers.reduce((one, other) => (other[1] > one[1] ? other : one));
    console.log(`${CONNECTIONS} connections, ${crowd.answered} answers, ${crowd.lost} lost`);
    console.log(`proxy: ${closed.toFixed(1)} % of a core with the dashboard closed, ${opened.toFixed(1)} % with it open`);
    console.log(`API pages, median: ${answers.map(([path, time]) => `${path} ${time.toFixed(1)} ms`).join(", ")}`);
    console.log(`page: ${hand.count} interactions of 16 ms or more, the slowest ${hand.worst} ms`);
    expect(crowd.lost).toBe(0);
    expect(opened - closed).toBeLessThan(3);
    expect(slowest[1], slowest[0]).toBeLessThan(20);
    expect(hand.worst).toBeLessThan(100);
  } finally {
    crowd.close();
  }
});
