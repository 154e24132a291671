// Runs the command line from a checkout: installs and builds if need be, then hands over. Everything
// but the command's own output goes to stderr. `npm run -s lab -- ARGS`.
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setup } from './setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const status = setup();
if (status !== 0) process.exit(status);
const { buildIfStale } = await import('./build.mjs');
try {
  await buildIfStale();
} catch {
  console.error('error: the build failed: see the lines above');
  process.exit(3);
}

// npm changes to the package's folder; file names are meant from where the user stands.
const { INIT_CWD } = process.env;
if (process.env.npm_lifecycle_event === 'lab' && INIT_CWD) process.chdir(INIT_CWD);
const entry = path.join(root, 'dist/lab.js');
process.argv[1] = entry;
await import(pathToFileURL(entry).href);
