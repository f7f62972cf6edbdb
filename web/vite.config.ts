import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Names without hashes: the program that embeds the files is one version, and asks browsers to look again each time.
export default defineConfig({
  base: './',
  plugins: [svelte()],
  build: {
    target: 'es2023',
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/app.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  // Pages while they are written: a manager on the usual port answers.
  server: { proxy: { '/api': 'http://127.0.0.1:3000' } },
});
