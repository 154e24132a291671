/** How the tests run. Given to vitest with --config, so that the root stays clean. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As the build does it: SQL files are imported as text.
  plugins: [
    {
      name: 'sql-as-text',
      transform: (code, id) =>
        id.endsWith('.sql') ? `export default ${JSON.stringify(code)};` : undefined,
    },
  ],
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['dist/**', 'node_modules/**', 'tests/bench/**', 'runs/**'],
    reporters: [fileURLToPath(new URL('totals-reporter.ts', import.meta.url))],
    // The machine is deterministic: a slow host may take longer, so only a hang fails by time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
