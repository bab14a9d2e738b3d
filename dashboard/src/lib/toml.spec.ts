import { expect, it } from "vitest";
import { toToml } from "./toml";

it("shows settings as they are written in the file", () => {
  const config = {
    server: { bind: ["0.0.0.0:2333"], threads: 0, tls: { bind: [], cert: null } },
    store: { path: "x.db", retention: { "10s": "1h" } },
    health: {},
    only: { below: { deep: true } },
    tenants: [{ name: "default", password: "***" }, { name: "other" }],
  };
  expect(toToml(config)).toBe(`[server]
bind = ["0.0.0.0:2333"]
threads = 0

[server.tls]
bind = []

[store]
path = "x.db"

[store.retention]
10s = "1h"

[only.below]
deep = true

[[tenants]]
name = "default"
password = "***"

[[tenants]]
name = "other"`);
});
