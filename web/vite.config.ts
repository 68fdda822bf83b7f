import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { documents } from "./documents.ts";

/** Where a server started by hand listens; only the development server of the page asks it. */
const server = `http://127.0.0.1:${process.env["PORT"] ?? "4000"}`;

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [documents()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  server: {
    proxy: { "^/(graphql|health|ready|imports|attributions|graphs|preferences|report.html|case.html)": server },
  },
});
