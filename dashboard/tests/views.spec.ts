import { expect, open, test } from "./fixtures";
import { NODES, PUBLIC_URL } from "./stack";

test("the overview shows live traffic, players and versions", async ({ dashboard: page }) => {
  const figure = (name: string) => page.locator("dl > div", { has: page.getByText(name, { exact: true }) }).locator("dd").first();
  await expect(figure("Sessions")).toHaveText("7");
  await expect(figure("From clients")).toHaveText(/[1-9].* [KM]?B\/s/);
  const before = await figure("Requests").textContent();
  await expect(figure("Requests")).not.toHaveText(before ?? "");
  const versions = page.getByRole("table").filter({ hasText: "v3-legacy" });
  await expect(versions.getByRole("row", { name: /^v4 / })).toContainText("5");
  await expect(page.getByRole("region", { name: "Addresses with the most traffic now" }).getByRole("link", { name: "127.0.1.2" })).toBeVisible();
});

test("each node has its state, heartbeat, version and load", async ({ dashboard: page }) => {
  await open(page, "Nodes");
  for (const node of NODES) {
    const card = page.getByRole("article", { name: `Node ${node.name}` });
    await expect(card.getByText("healthy")).toBeVisible();
    await expect(card.getByRole("img")).toHaveAccessibleName(/of the last \d+ probes answered/);
    await expect(card.getByText(node.generation === "3.7" ? "no DAVE" : "DAVE", { exact: true })).toBeVisible();
  }
  await page.getByRole("searchbox").fill("rotterdam");
  await expect(page.getByRole("article")).toHaveCount(1);
  await page.getByRole("link", { name: "eu-1" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "eu-1" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Chosen recently" })).toBeVisible();
  await expect(page.getByText(/\d+ probes, \d+ failed/)).toBeVisible();
});

test("a node is drained and put back", async ({ dashboard: page }) => {
  await open(page, "Nodes");
  const card = page.getByRole("article", { name: "Node us-1" });
  await card.getByRole("button", { name: "Drain us-1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(card.getByText("healthy")).toBeVisible();
  await card.getByRole("button", { name: "Drain us-1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await expect(card.getByText("draining")).toBeVisible();
  await open(page, "Overview");
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("us-1");
  await open(page, "Nodes");
  await card.getByRole("button", { name: "Undrain us-1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undrain" }).click();
  await expect(card.getByText("healthy")).toBeVisible();
});

test("connections are searched, filtered, sorted and grouped", async ({ dashboard: page }) => {
  await open(page, "Connections");
  const rows = page.locator("tbody tr");
  await expect(rows.filter({ hasText: "127.0.1.2" }).first()).toBeVisible();
  await page.getByRole("searchbox").fill("127.0.1.3");
  await expect(rows.filter({ hasText: "127.0.1.2" })).toHaveCount(0);
  await expect(rows.first()).toContainText("127.0.1.3");
  await expect(page).toHaveURL(/q=127\.0\.1\.3/);
  await page.getByRole("searchbox").fill("nothing like this");
  await expect(page.getByText("No connections match")).toBeVisible();
  await page.getByRole("searchbox").fill("");
  await page.getByRole("combobox", { name: "Tenant" }).selectOption("bigbot");
  await expect(rows.filter({ hasText: "127.0.1.1" })).toHaveCount(0);
  await page.getByRole("combobox", { name: "Tenant" }).selectOption("");
  await page.getByRole("button", { name: "Open for" }).click();
  await expect(page.getByRole("columnheader", { name: "Open for" })).toHaveAttribute("aria-sort", "descending");
  await page.getByRole("button", { name: "Open for" }).click();
  await expect(page.getByRole("columnheader", { name: "Open for" })).toHaveAttribute("aria-sort", "ascending");
  await page.getByText("by address", { exact: true }).click();
  await expect(rows).toHaveCount(4);
});

test("a client is disconnected and is found among those that ended", async ({ dashboard: page }) => {
  await open(page, "Connections");
  await page.getByRole("searchbox").fill("127.0.1.4");
  const row = page.locator("tbody tr").first();
  await expect(row).toContainText("127.0.1.4");
  const button = row.getByRole("button", { name: /^Disconnect 127\.0\.1\.4:/ });
  const name = (await button.textContent()) ?? "";
  await button.click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("button", { name })).toHaveCount(0);
  await page.getByText("ended", { exact: true }).click();
  await expect(async () => {
    await page.getByRole("button", { name: "Refresh" }).click();
    await expect(page.locator("tbody tr").first()).toContainText("127.0.1.4", { timeout: 2000 });
  }).toPass();
});

test("a session shows its players with tracks that move on", async ({ dashboard: page }) => {
  await open(page, "Sessions");
  await page.getByRole("combobox", { name: "Version" }).selectOption("v4");
  await page.getByRole("button", { name: "Players" }).click();
  await page.locator("tbody tr").first().getByRole("link").first().click();
  await expect(page.getByRole("heading", { name: "Players" })).toBeVisible();
  const position = page.locator("tbody tr", { hasText: " / 0:40" }).first().locator("td").nth(1);
  const before = await position.textContent();
  await expect(position).not.toHaveText(before ?? "");
});

test("usage shows levels in words, history and totals over a time", async ({ dashboard: page }) => {
  await open(page, "Usage");
  const busy = page.locator("tbody tr", { hasText: "127.0.1.2" });
  await expect(busy).toContainText(/quiet|normal|high|extreme/);
  await expect(page.getByRole("list", { name: "Levels" })).toContainText("extreme");
  await page.getByText("over a time", { exact: true }).click();
  await expect(page.locator("tbody tr", { hasText: "127.0.1.2" })).toContainText(/[KM]B/);
  await page.getByText("tenants", { exact: true }).click();
  await page.getByRole("link", { name: "bigbot" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "bigbot" })).toBeVisible();
  await expect(page.locator("canvas")).toBeVisible();
  await page.getByText("as a table").click();
  await expect(page.getByRole("region", { name: /as a table/ }).locator("tbody tr").first()).toContainText(/B\/s/);
  await page.getByText("24 h", { exact: true }).click();
  await expect(page).toHaveURL(/range=24h/);
  await page.reload();
  await expect(page.getByRole("radio", { name: "24 h" })).toBeChecked();
});

test("a dead node raises an alert, which is acknowledged and clears", async ({ dashboard: page, stack }) => {
  test.setTimeout(180_000);
  await stack.killNode("us-1");
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("us-1", { timeout: 40_000 });
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("down");
  await open(page, "Alerts");
  const alert = page.getByRole("listitem").filter({ hasText: "us-1" }).filter({ hasText: "down" });
  await expect(alert).toContainText("critical", { timeout: 40_000 });
  await alert.getByRole("button", { name: /^Acknowledge/ }).click();
  await expect(alert).toContainText("acknowledged by admin");
  await stack.reviveNode("us-1");
  await expect(alert).toHaveCount(0, { timeout: 90_000 });
  await page.getByText("open and past", { exact: true }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "us-1" }).filter({ hasText: "cleared" }).first()).toBeVisible();
});

test("settings show how to connect, the configuration without secrets, and make and revoke tokens", async ({ dashboard: page }) => {
  await open(page, "Settings");
  await expect(page.getByText(PUBLIC_URL, { exact: true })).toBeVisible();
  await page.getByText("erela.js", { exact: true }).click();
  await expect(page.getByLabel("Example for erela.js")).toContainText('host: "lavalink.example.org"');
  await expect(page.getByLabel("Configuration")).toContainText('name = "eu-1"');
  await expect(page.locator("body")).not.toContainText("node-password");
  await page.getByLabel("Name of the new token").fill("nightly");
  await page.getByRole("button", { name: "Make a token" }).click();
  await expect(page.getByText(/^lpt_/)).toBeVisible();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Revoke nightly" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("button", { name: "Revoke nightly" })).toHaveCount(0);
});
