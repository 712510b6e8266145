import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a backend, which is to see its own origin. */
const BACKEND = process.env["CHAT_BACKEND"] ?? "http://127.0.0.1:8001";
const PROXY = { target: BACKEND, changeOrigin: true, headers: { origin: BACKEND } };
const REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const NO_IMAGE = "data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27/%3E";

/** Put the libraries of the API pages (public/docs/) beside them, so that no page asks another origin for anything. */
function apiPages(): Plugin {
  const { resolve: find } = createRequire(import.meta.url);
  return {
    name: "api-pages",
    apply: "build",
    closeBundle() {
      const into = resolve(import.meta.dirname, "dist/docs");
      mkdirSync(into, { recursive: true });
      for (const file of ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css"]) {
        copyFileSync(find(`swagger-ui-dist/${file}`), resolve(into, file));
      }
      const licence = "redoc.standalone.js.LICENSE.txt";
      copyFileSync(find(`redoc/bundles/${licence}`), resolve(into, licence));
      const redoc = readFileSync(find("redoc/bundles/redoc.standalone.js"), "utf8");
      if (!redoc.includes(REDOC_LOGO)) throw new Error(`redoc does not name ${REDOC_LOGO} any more: see what it loads now`);
      writeFileSync(resolve(into, "redoc.standalone.js"), redoc.replaceAll(REDOC_LOGO, NO_IMAGE));
    },
  };
}

export default defineConfig({
  base: "./", // behind a gateway the page is at /async/ and the like
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [apiPages()],
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["index.html", "monitor.html"] },
  },
  server: { proxy: { "/api": PROXY, "/ws": { ...PROXY, ws: true }, "/docs": PROXY, "/redoc": PROXY, "/openapi.json": PROXY } },
  test: { include: ["tests/**/*.test.ts"] },
});
