// `npm run bench [-- NAME...]`: bundles each tests/bench/*.bench.ts as the product is bundled (const
// enums inlined, or the figures would mean nothing) and runs it.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = path.join(root, 'tests/bench');
const out = path.join(root, 'dist/bench');
const SUFFIX = '.bench.ts';

const wanted = process.argv.slice(2);
const names = (existsSync(folder) ? readdirSync(folder) : [])
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))
  .filter((name) => wanted.length === 0 || wanted.includes(name))
  .sort();
if (names.length === 0) {
  console.error(`error: no benchmark ${wanted.join(', ')} in tests/bench`);
  process.exit(2);
}

mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: names.map((name) => path.join(folder, name + SUFFIX)),
  outdir: out,
  entryNames: '[name]',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  minifySyntax: true,
  logLevel: 'warning',
});
for (const name of names) {
  console.log(`\n# ${name}`);
  await import(pathToFileURL(path.join(out, `${name}.bench.js`)).href);
}
