// `npm test`: installs, builds, checks and tests. The last line is `N passed, N failed`, where each
// static check counts as one test. Extra arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const status = setup();
if (status !== 0) process.exit(status);

const { buildIfStale } = await import('./build.mjs');
try {
  await buildIfStale();
} catch {
  console.log('error: the build failed: see the lines above\n0 passed, 1 failed');
  process.exit(1);
}
const { check } = await import('./check.mjs');
const checks = await check();

/** Colour codes have no place in a log file. */
const plainUnlessTerminal = process.stdout.isTTY ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined };

/** Runs vitest and returns its counts; a vitest that could not even start counts as one failure. */
function runTests() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cyclelab-test-'));
  const totalsFile = path.join(folder, 'totals.json');
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'tests/architecture/vitest.config.ts', ...process.argv.slice(2)];
  const { status: exit } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...plainUnlessTerminal, CYCLELAB_TOTALS: totalsFile },
  });
  try {
    const totals = JSON.parse(readFileSync(totalsFile, 'utf8'));
    if (exit !== 0 && totals.failed === 0) totals.failed = 1;
    return totals;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const tests = runTests();
const passed = checks.passed + tests.passed;
const failed = checks.failed + tests.failed;
const skipped = tests.skipped > 0 ? `, ${tests.skipped} skipped` : '';
console.log(`${passed} passed, ${failed} failed${skipped}`);
process.exitCode = failed > 0 ? 1 : 0;
