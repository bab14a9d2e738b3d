import { describe, expect, it } from "vitest";
import { addressOf, SNIPPETS } from "./snippets";

describe("the address for clients", () => {
  it.each([
    [undefined, "http://here:2333", true],
    [{ host: null, port: 2444, tls: false, url: null }, "http://here:2444", true],
    [{ host: "music.example", port: 443, tls: true, url: null }, "https://music.example:443", false],
    [{ host: "::1", port: 2333, tls: false, url: null }, "http://[::1]:2333", false],
    [{ host: null, port: 2333, tls: false, url: "https://music.example/lavalink" }, "https://music.example/lavalink", false],
    [{ host: null, port: 2333, tls: false, url: "nonsense" }, "http://here:2333", true],
  ])("%j", (connection, url, guessed) => {
    expect(addressOf(connection, "here")).toMatchObject({ url, guessed });
  });

  it("is in every snippet, and a port of 443 where the URL has none", () => {
    const address = addressOf({ url: "https://music.example" }, "here");
    expect(address.port).toBe(443);
    for (const snippet of SNIPPETS) expect(snippet.text(address)).toContain("music.example");
  });
});
