import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running proxy's admin listener. */
const ADMIN = process.env.ADMIN_URL ?? "http://127.0.0.1:2334";

/**
 * Puts a compressed copy beside every text file, so that the proxy can send it as it is, and restores the file that
 * keeps the folder in the repository: the build of the proxy watches it.
 */
function finish(): Plugin {
  return {
    name: "finish",
    apply: "build",
    closeBundle() {
      const folder = join(import.meta.dirname, "dist");
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(html|js|css|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
      writeFileSync(join(folder, ".gitignore"), "*\n!.gitignore\n");
    },
  };
}

export default defineConfig({
  // Relative, so that the page works below any path that a reverse proxy puts before it.
  base: "./",
  plugins: [svelte(), finish()],
  build: {
    target: "es2022",
    // The content security policy allows no data: scripts or fonts, and small files are cheap on one connection.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { "/api": { target: ADMIN, changeOrigin: true } } },
  test: { include: ["src/**/*.spec.ts"] },
});
