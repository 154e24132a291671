// `npm run fix`: lets the formatter and the linter repair what they can.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const CONFIG = 'tests/architecture';
const TOOLS = [
  ['eslint/bin/eslint.js', '--config', `${CONFIG}/eslint.config.js`, '--fix', '.'],
  [
    'prettier/bin/prettier.cjs',
    '--write',
    '--log-level',
    'warn',
    '--ignore-path',
    `${CONFIG}/prettierignore`,
    '.',
  ],
];

for (const [script, ...args] of TOOLS) {
  const tool = path.join(root, 'node_modules', script);
  const { status } = spawnSync(process.execPath, [tool, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
