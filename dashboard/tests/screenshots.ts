// Pictures of each view in both themes, for docs/images. Run by `cargo xtask screenshots`.

import { mkdirSync, writeFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import png from "upng-js";
import { expect, logIn, test } from "./fixtures";
import { ADMIN_PASSWORD } from "./stack";

const IMAGES = new URL("../../docs/images/", import.meta.url).pathname;
/** So that the charts have something to show. */
const TRAFFIC_MS = Number(process.env.SCREENSHOT_TRAFFIC_MS ?? 150_000);

/** With 256 colours, which is enough for a page and a third of the size. */
async function take(page: Page, name: string): Promise<void> {
  const image = png.decode(await page.screenshot({ animations: "disabled", caret: "hide" }));
  writeFileSync(`${IMAGES}${name}.png`, Buffer.from(png.encode(png.toRGBA8(image), image.width, image.height, 256)));
}

async function go(page: Page, hash: string, ready: string): Promise<void> {
  await page.goto(`./${hash}`);
  await expect(page.getByRole("main").getByText(ready).filter({ visible: true }).first()).toBeVisible();
  await expect(page.getByText("Loading", { exact: true })).toHaveCount(0);
  // Charts are drawn in the next frames.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Each view: its name, where it is, and what shows that it is there. */
const VIEWS = [
  ["overview", "#/overview", "Sessions by version"],
  ["nodes", "#/nodes", "eu-1"],
  ["node", "#/nodes/eu-1", "probes,"],
  ["connections", "#/connections", "127.0.1.1"],
  ["sessions", "#/sessions", "connected"],
  ["usage", "#/usage", "127.0.1.2"],
  ["usage-history", "#/usage/127.0.1.2", "Mean rate"],
  ["alerts", "#/alerts?show=all", "old-1"],
  ["settings", "#/settings", "Configuration"],
] as const;

test("pictures of each view", async ({ page, stack, api }) => {
  test.setTimeout(900_000);
  mkdirSync(IMAGES, { recursive: true });
  for (let index = 0; index < 8; index += 1) {
    const [pace, players] = [0.2 + index * 0.25, 2 + (index % 4)];
    await stack.startBots({ from: `127.0.2.${10 + index * 7}`, tenant: index % 2 ? "bigbot" : "default", generation: "4.2", count: 1 + (index % 3), firstUser: 9000 + index * 10, players, pace });
  }
  await page.goto("./");
  for (const scheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await take(page, `login-${scheme}`);
  }
  await logIn(page, "admin", ADMIN_PASSWORD);
  await page.waitForTimeout(TRAFFIC_MS);
  await api.post("nodes/eu-1/drain");
  await stack.killNode("old-1");
  await expect(page.getByRole("region", { name: "Problems" })).toContainText("old-1");
  for (const scheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [name, hash, ready] of VIEWS) {
      await go(page, hash, ready);
      await take(page, `${name}-${scheme}`);
    }
    await go(page, "#/sessions?sort=-players&version=v4", "connected");
    await page.locator("tbody tr").first().getByRole("link").first().click();
    await expect(page.getByText(" / 0:40").first()).toBeVisible();
    await take(page, `session-${scheme}`);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await go(page, "#/overview", "Sessions by version");
  await take(page, "overview-phone");
});
