import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vite";

const INTO = resolve(import.meta.dirname, "dist");

/** One file that opens from a disk: a browser loads no module from there but what is in the page. */
function inlined(): Plugin {
  return {
    name: "inlined",
    apply: "build",
    closeBundle() {
      const page = resolve(INTO, "report.html");
      const parts: string[] = [];
      const read = (path: string) => {
        const part = resolve(INTO, `.${path}`);
        parts.push(part);
        return readFileSync(part, "utf8");
      };
      let script = "";
      const html = readFileSync(page, "utf8")
        .replace(/<link rel="stylesheet"[^>]*href="([^"]+)"[^>]*>/g, (_, path: string) => `<style>${read(path)}</style>`)
        .replace(/<script type="module"[^>]*src="([^"]+)"[^>]*><\/script>/g, (_, path: string) => {
          script = read(path).replaceAll("</script", "<\\/script");
          return "";
        });
      if (script === "" || /(src|href)="\//.test(html)) throw new Error("the report is not one file: see what it loads");
      // At the end, so that what it reads is there; by a function, so that no $ in it means anything.
      writeFileSync(page, html.replace("</body>", () => `<script type="module">${script}</script></body>`));
      for (const part of parts) rmSync(part);
    },
  };
}

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [inlined()],
  publicDir: false,
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    emptyOutDir: false,
    assetsInlineLimit: 0,
    rolldownOptions: { input: "report.html" },
  },
});
