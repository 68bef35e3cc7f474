import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// A running admin address, for `npm run dev` only; the built files are served by the binary itself.
const api = process.env.PENSTOCK_ADMIN_URL ?? "http://127.0.0.1:8001";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // Fonts and pictures stay files: the content security policy is simple and caches work.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": { target: api, changeOrigin: true } } },
  preview: { proxy: { "/api": { target: api, changeOrigin: true } } },
  // Patience for a machine that has other things to do.
  test: { include: ["src/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
});
