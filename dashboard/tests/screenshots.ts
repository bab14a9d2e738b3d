// Pictures of each view in both themes, for docs/images. Run by `cargo xtask screenshots`.

import type { Page } from "@playwright/test";
import { expect, logIn, test } from "./fixtures";
import { ADMIN_PASSWORD } from "./stack";

const IMAGES = new URL("../../docs/images/", import.meta.url).pathname;

async function steps(page: Page, take: (name: string) => Promise<void>): Promise<void> {
  const go = async (hash: string, ready: string) => {
    await page.goto(`./${hash}`);
    await expect(page.getByText(ready).first()).toBeVisible();
    await expect(page.getByText("Loading", { exact: true })).toHaveCount(0);
    // The charts are drawn in the next frames.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  };
  await go("#/overview", "Sessions by version");
  await take("overview");
  await go("#/nodes", "eu-1");
  await take("nodes");
  await go("#/nodes/eu-1", "probes,");
  await take("node");
  await go("#/connections", "127.0.1.1");
  await take("connections");
  await go("#/sessions", "connected");
  await take("sessions");
  await page.locator("tbody tr").first().getByRole("link").first().click();
  await expect(page.getByText(" / 0:40").first()).toBeVisible();
  await take("session");
  await go("#/usage", "127.0.1.2");
  await take("usage");
  await go("#/usage/127.0.1.2", "Mean rate");
  await take("usage-history");
  await go("#/alerts?show=all", "old-1");
  await take("alerts");
  await go("#/settings", "Configuration");
  await take("settings");
}

test("pictures of each view", async ({ page, stack }) => {
  test.setTimeout(600_000);
  for (const [index, from] of ["127.0.2.10", "127.0.2.11", "127.0.2.12", "127.0.2.13", "127.0.2.14"].entries()) {
    await stack.startBots({ from, tenant: index % 2 ? "bigbot" : "default", generation: "4.2", count: 2, firstUser: 9000 + index * 10, players: 2 + index, pace: 0.4 + index * 0.3 });
  }
  await logIn(page, "admin", ADMIN_PASSWORD);
  // So that the charts have something to show.
  await page.waitForTimeout(Number(process.env.SCREENSHOT_WAIT_MS ?? 90_000));
  await stack.killNode("old-1");
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("old-1", { timeout: 40_000 });
  for (const scheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await steps(page, async (name) => {
      await page.screenshot({ path: `${IMAGES}${name}-${scheme}.png`, animations: "disabled" });
    });
  }
});
