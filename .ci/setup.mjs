// Installs the dependencies when they are missing or out of date, and returns at once otherwise.
// Uses Node built-ins only: on a fresh clone there is nothing else.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');
const stampFile = path.join(modules, '.cyclelab-setup');
const NODE_MINIMUM = [20, 19];

/** What the installed tree depends on: the lock file, and the runtime that binaries were built for. */
function expectedStamp() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  return `${digest} ${process.version} ${process.platform} ${process.arch}\n`;
}

function nodeIsOld() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major < NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor < NODE_MINIMUM[1]);
}

/** True when `node_modules` needs no work. A linked one belongs to another checkout: never touch it. */
function isInstalled() {
  if (!existsSync(modules)) return false;
  if (lstatSync(modules).isSymbolicLink()) return true;
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === expectedStamp();
}

/** Installs if need be. Returns an exit code: 0, 2 (Node too old) or 3 (the install failed). */
export function setup() {
  if (nodeIsOld()) {
    const wanted = NODE_MINIMUM.join('.');
    console.error(
      `error: Node ${process.versions.node} is too old: install Node ${wanted} or later`,
    );
    return 2;
  }
  if (isInstalled()) return 0;
  console.error('installing dependencies (npm ci) ...');
  // npm itself says what goes wrong; its chatter goes to stderr so that stdout stays clean.
  const { status } = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' },
  );
  if (status !== 0) {
    console.error('error: npm ci failed: see the lines above, then run the command again');
    return 3;
  }
  writeFileSync(stampFile, expectedStamp());
  return 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exit(setup());
