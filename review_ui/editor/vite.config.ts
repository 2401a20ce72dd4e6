import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "rigline_editor/dist",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    lib: { entry: "src/main.ts", formats: ["es"], fileName: () => "editor.js", cssFileName: "editor" },
  },
});
