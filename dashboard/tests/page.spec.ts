import AxeBuilder from "@axe-core/playwright";
import { expect, logIn, open, test } from "./fixtures";
import { Front } from "./front";
import { ADMIN_PASSWORD } from "./stack";

const VIEWS = ["Overview", "Nodes", "Connections", "Sessions", "Usage", "Alerts", "Settings"];

test("units and theme are switched, and kept", async ({ dashboard: page }) => {
  await open(page, "Settings");
  await page.getByText("bits/s", { exact: true }).click();
  await page.getByText("light", { exact: true }).click();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(await ground()).toBe("rgb(244, 245, 247)");
  await page.reload();
  await open(page, "Overview");
  await expect(page.locator("dl").getByText(/bit\/s$/).first()).toBeVisible();
  expect(await ground()).toBe("rgb(244, 245, 247)");
});

test("the theme follows the system until one is chosen", async ({ dashboard: page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  expect(await ground()).not.toBe(dark);
});

for (const scheme of ["light", "dark"] as const) {
  test(`no view has a serious flaw for assistive technology, ${scheme}`, async ({ dashboard: page }) => {
    test.setTimeout(240_000);
    await page.emulateMedia({ colorScheme: scheme });
    for (const view of VIEWS) {
      await open(page, view);
      await expect(page.getByText("Loading", { exact: true })).toHaveCount(0);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.map(({ id, nodes }) => `${view}: ${id}: ${nodes.map(({ html }) => html).join("\n")}`)).toEqual([]);
    }
  });
}

test("nothing is wider than a phone", async ({ dashboard: page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const view of VIEWS) {
    await page.getByRole("button", { name: "Menu" }).click();
    await open(page, view);
    await expect(page.getByText("Loading", { exact: true })).toHaveCount(0);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, view).toBeLessThanOrEqual(360);
  }
});

test("the keyboard reaches everything", async ({ dashboard: page }) => {
  await page.reload();
  await expect(page.getByText(/^live, /)).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await page.getByRole("link", { name: /^Nodes/ }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  const reached = new Set<string>();
  for (let count = 0; count < 20; count += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.getAttribute("aria-label") || ""));
  }
  expect([...reached].join("|")).toMatch(/Search name, version or region.*eu-1.*Drain eu-1|Search name.*Drain/s);
  await page.getByRole("button", { name: "Drain eu-1" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Drain eu-1?" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("button", { name: "Drain eu-1" })).toBeFocused();
});

test("figures from before a lost connection are shown as old, and live again when it is back", async ({ page, stack }) => {
  const front = new Front(stack.adminUrl, "");
  await front.start();
  await logIn(page, "admin", ADMIN_PASSWORD, front.url);
  await front.stop();
  await expect(page.getByText("Connection lost.")).toBeVisible();
  await expect(page.getByText(/The figures are of \d/)).toBeVisible();
  await expect(page.getByRole("main")).toHaveClass(/stale/);
  await front.start();
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(page.getByText(/^live, /)).toBeVisible();
  await expect(page.getByRole("main")).not.toHaveClass(/stale/);
  await page.close();
  await front.stop();
});

test("it works below a path that a reverse proxy puts before it", async ({ page, stack }) => {
  const front = new Front(stack.adminUrl, "/music");
  await front.start();
  await logIn(page, "admin", ADMIN_PASSWORD, front.url);
  await open(page, "Nodes");
  await expect(page.getByRole("article", { name: "Node eu-1" })).toBeVisible();
  await page.close();
  await front.stop();
});
