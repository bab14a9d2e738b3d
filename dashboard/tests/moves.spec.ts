// Players between nodes: drains, one player moved, and moves that fail.

import AxeBuilder from "@axe-core/playwright";
import type { APIRequestContext } from "@playwright/test";
import { expect, open, test } from "./fixtures";

const V4 = ["eu-1", "us-1"];

/** A node with players of v4 clients. */
async function busyNode(api: APIRequestContext): Promise<string> {
  let found = "";
  await expect(async () => {
    const { items } = (await (await api.get("nodes")).json()) as { items: { name: string; players: number }[] };
    found = items.filter(({ name, players }) => V4.includes(name) && players > 1).sort((one, other) => other.players - one.players)[0]?.name ?? "";
    expect(found).not.toBe("");
  }).toPass();
  return found;
}

/** A session with a player on a node. */
async function sessionOn(api: APIRequestContext, node: string): Promise<string> {
  let found: string | undefined;
  await expect(async () => {
    const { items } = (await (await api.get(`sessions?node=${node}&version=v4&sort=-players`)).json()) as { items: { id: string }[] };
    for (const { id } of items) {
      const players = (await (await api.get(`sessions/${id}/players`)).json()) as { items: { node: string }[] };
      if (players.items.some((player) => player.node === node)) found = id;
    }
    expect(found).toBeDefined();
  }).toPass();
  return found ?? "";
}

test("a drained node's players move away, it is said to be empty, and it is put back", async ({ dashboard: page, api }) => {
  const node = await busyNode(api);
  await open(page, "Nodes");
  const card = page.getByRole("article", { name: `Node ${node}` });
  await card.getByRole("button", { name: `Drain ${node}` }).click();
  await expect(page.getByRole("dialog")).toContainText("move to other nodes one by one and play on");
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await expect(card.getByRole("status", { name: "Drain" })).toBeVisible();
  await expect(card.getByRole("status", { name: "Drain" })).toContainText("Empty: it can be stopped.", { timeout: 60_000 });
  await open(page, "Overview");
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("drained and empty");

  const { items } = (await (await api.get("migrations?reason=drain&outcome=moved")).json()) as { items: { sessionId: string; from: string; to: string }[] };
  const moved = items.find(({ from }) => from === node);
  await page.goto(`./#/sessions/${moved?.sessionId}`);
  const moves = page.getByRole("region", { name: "Moves of this session's players" });
  const row = moves.locator("tbody tr").filter({ hasText: `${node} → ${moved?.to}` }).first();
  await expect(row).toContainText("moved");
  await expect(row).toContainText("its node is drained");
  const players = page.getByRole("region", { name: "Players of this session" }).locator("tbody tr");
  await expect(players.first()).toBeVisible();
  await expect(players.filter({ has: page.getByRole("link", { name: node, exact: true }) })).toHaveCount(0);

  await open(page, "Nodes");
  await card.getByRole("button", { name: `Undrain ${node}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undrain" }).click();
  await expect(card.getByText("healthy")).toBeVisible();
  await expect(card.getByRole("status", { name: "Drain" })).toHaveCount(0);
});

test("a player is moved by the button, to a node that is chosen", async ({ dashboard: page, api }) => {
  const from = await busyNode(api);
  const to = V4.find((node) => node !== from) ?? "";
  const session = await sessionOn(api, from);
  await page.goto(`./#/sessions/${session}`);
  const players = page.getByRole("region", { name: "Players of this session" }).locator("tbody tr");
  const there = players.filter({ has: page.getByRole("link", { name: from, exact: true }) });
  const button = there.first().getByRole("button", { name: /^Move/ });
  const name = (await button.textContent()) ?? "";
  const guild = /\d+/.exec(name)?.[0] ?? "";
  await button.click();
  const dialog = page.getByRole("dialog", { name: "Move this player?" });
  await expect(dialog).toContainText(guild);
  await dialog.getByRole("combobox", { name: "To" }).selectOption(to);
  await dialog.getByRole("button", { name: "Move" }).click();
  await expect(dialog).toBeHidden();
  const row = players.filter({ has: page.getByRole("button", { name: `Move the player of guild ${guild}`, exact: true }) });
  await expect(row.getByRole("link", { name: to, exact: true })).toBeVisible();
  await expect(page.getByRole("region", { name: "Links of this session" }).getByRole("link", { name: to, exact: true })).toBeVisible();
  const move = page.getByRole("region", { name: "Moves of this session's players" }).locator("tbody tr").first();
  await expect(move).toContainText(`${from} → ${to}`);
  await expect(move).toContainText(guild);
  await expect(move).toContainText("somebody asked for it");
});

test("who only looks is offered no move", async ({ viewer: page, api }) => {
  const session = await sessionOn(api, await busyNode(api));
  await page.goto(`./#/sessions/${session}`);
  await expect(page.getByRole("region", { name: "Players of this session" }).locator("tbody tr").first()).toBeVisible();
  await expect(page.getByRole("button", { name: /^Move/ })).toHaveCount(0);
});

test("a move that fails raises an alert, which is acknowledged", async ({ dashboard: page, api }) => {
  test.setTimeout(120_000);
  for (const node of V4) await api.post(`nodes/${node}/drain`);
  await expect(async () => {
    const { matched } = (await (await api.get("migrations?failed=true")).json()) as { matched: number };
    expect(matched).toBeGreaterThan(0);
  }).toPass();
  await open(page, "Nodes");
  await expect(page.getByRole("status", { name: "Drain" }).filter({ hasText: "No other node takes work" }).first()).toBeVisible();
  await open(page, "Alerts");
  const alert = page.getByRole("listitem").filter({ hasText: "could not be left by" }).first();
  await expect(alert).toContainText("warning");
  await alert.getByRole("button", { name: /^Acknowledge/ }).click();
  await expect(alert).toContainText("acknowledged by admin");
  await open(page, "Overview");
  const failed = page.getByRole("region", { name: "Players that could not be moved" });
  await expect(failed.locator("tbody tr").first()).toContainText("stayed");
  for (const node of V4) await api.post(`nodes/${node}/undrain`);
  await expect(page.getByRole("region", { name: "Problems" })).not.toContainText("draining");
});

test("a session with its links and moves fits a phone and has no serious flaw", async ({ dashboard: page, api }) => {
  const session = await sessionOn(api, await busyNode(api));
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`./#/sessions/${session}`);
  await expect(page.getByRole("region", { name: "Links of this session" })).toBeVisible();
  await expect(page.getByRole("button", { name: /^Move/ }).first()).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`)).toEqual([]);
});
