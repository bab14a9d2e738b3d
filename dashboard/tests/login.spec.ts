import { expect, logIn, open, test } from "./fixtures";
import { ADMIN_PASSWORD } from "./stack";

test("a wrong password is refused, and the right one shows the overview", async ({ page }) => {
  await page.goto("./");
  await page.getByLabel("Password").fill("guess");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toHaveText("The user or the password is wrong.");
  await expect(page.getByLabel("Password")).toBeFocused();
  await page.getByLabel("Password").fill(ADMIN_PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

test("the login outlives a reload and ends with logging out", async ({ dashboard: page }) => {
  await page.reload();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await page.getByRole("button", { name: "Log out" }).first().click();
  await expect(page.getByLabel("Password")).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("Password")).toBeVisible();
});

test("a view that was asked for is there after the login", async ({ page }) => {
  await page.goto("./#/usage");
  await page.getByLabel("Password").fill(ADMIN_PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Usage" })).toBeVisible();
});

test("who may only look sees no buttons that change anything", async ({ viewer: page }) => {
  await open(page, "Nodes");
  await expect(page.getByRole("article")).toHaveCount(3);
  await expect(page.getByRole("button", { name: /^(Drain|Undrain)/ })).toHaveCount(0);
  await open(page, "Connections");
  await expect(page.getByRole("row")).not.toHaveCount(0);
  await expect(page.getByRole("button", { name: /^Disconnect/ })).toHaveCount(0);
  await open(page, "Settings");
  await expect(page.getByText("see everything, change nothing")).toBeVisible();
  await expect(page.getByRole("heading", { name: "API tokens" })).toHaveCount(0);
});

test("many wrong passwords are slowed down, and the page says how long", async ({ page }) => {
  await page.route("**/api/v1/login", (route) =>
    route.fulfill({ status: 429, headers: { "Retry-After": "2" }, contentType: "application/json", body: '{"status":429,"error":"Too Many Requests","message":"wait"}' }),
  );
  await page.goto("./");
  await page.getByLabel("Password").fill("guess");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("Too many attempts.");
  await expect(page.getByRole("button", { name: "Log in" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Log in" })).toBeEnabled();
  await page.unroute("**/api/v1/login");
  await logIn(page, "admin", ADMIN_PASSWORD);
});
