// `npm run test:golden`: the golden tests alone; with `-- --accept` they write what they find instead
// of comparing (review the difference like code).
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const accept = process.argv.includes('--accept');
const rest = process.argv.slice(2).filter((argument) => argument !== '--accept');
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(
  process.execPath,
  [
    vitest,
    'run',
    '--config',
    'tests/architecture/vitest.config.ts',
    ...(accept ? ['--update'] : []),
    ...rest,
    'tests/golden',
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: accept ? { ...process.env, GOLDEN_ACCEPT: '1' } : process.env,
  },
);
process.exitCode = status ?? 3;
