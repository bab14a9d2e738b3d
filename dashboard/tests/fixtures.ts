// What every browser test starts from: the running stack, and a page that is logged in.

import { expect, test as base, type APIRequestContext, type Page } from "@playwright/test";
import { ADMIN_PASSWORD, Stack, VIEWER_PASSWORD } from "./stack";

export { expect };

interface Fixtures {
  /** The page, logged in as admin, at the overview with figures. */
  dashboard: Page;
  /** The same as the user who may only look. */
  viewer: Page;
  /** Asks the API with the admin's password. */
  api: APIRequestContext;
}

interface WorkerFixtures {
  stack: Stack;
  /** Sections of the proxy's configuration beside those that every run has. */
  settings: string;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  settings: ["", { option: true, scope: "worker" }],
  stack: [
    async ({ settings }, use) => {
      const stack = await Stack.start(settings);
      await use(stack);
      await stack.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ stack }, use) => use(`${stack.adminUrl}/`),
  dashboard: async ({ page }, use) => {
    await logIn(page, "admin", ADMIN_PASSWORD);
    await use(page);
  },
  viewer: async ({ page }, use) => {
    await logIn(page, "viewer", VIEWER_PASSWORD);
    await use(page);
  },
  api: async ({ playwright, stack }, use) => {
    const login = Buffer.from(`admin:${ADMIN_PASSWORD}`).toString("base64");
    const context = await playwright.request.newContext({
      baseURL: `${stack.adminUrl}/api/v1/`,
      extraHTTPHeaders: { Authorization: `Basic ${login}`, "X-Requested-With": "test" },
    });
    await use(context);
    await context.dispose();
  },
});

/** Nothing may go wrong in the page that nobody sees: a refused script, an error in an event. */
test.beforeEach(({ page }) => {
  page.on("pageerror", (error) => {
    throw error;
  });
  page.on("console", (message) => {
    if (/Content Security Policy|Uncaught/.test(message.text())) throw new Error(message.text());
  });
});

export async function logIn(page: Page, user: string, password: string, url = "./"): Promise<void> {
  await page.goto(url);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByText(/^live, /)).toBeVisible();
}

/** Goes to a view by its link. */
export async function open(page: Page, view: string): Promise<void> {
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: new RegExp(`^${view}`) }).click();
  await expect(page.getByRole("heading", { level: 1, name: view })).toBeVisible();
}
