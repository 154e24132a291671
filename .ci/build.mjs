// Bundles the command line to dist/: one entry file and lazily loaded chunks. Skipped when no input
// changed since the last build. esbuild is loaded only when there is something to build.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const ENTRY_NAME = 'lab.js';
const stampFile = path.join(dist, '.build');
const SOURCES = ['lab', 'machine', 'workloads'];
const SETTINGS = ['package.json', 'tsconfig.json', '.ci/build.mjs'];
/** Chunks of earlier builds stay this long: a lab that is running may still have to load them. */
const STALE_AFTER_MS = 3_600_000;

function sourceFiles() {
  const present = SOURCES.filter((folder) => existsSync(path.join(root, folder)));
  const files = present.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
  );
  return [...files, ...SETTINGS].sort();
}

function hashOfInputs() {
  const hash = createHash('sha256');
  for (const file of sourceFiles()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function isBuilt(stamp) {
  try {
    return readFileSync(stampFile, 'utf8') === stamp;
  } catch {
    return false;
  }
}

async function bundle() {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { lab: 'lab/main.ts' },
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    splitting: true,
    // Inlines const enums and plain constants, so that switches become jump tables.
    minifySyntax: true,
    sourcemap: 'linked',
    loader: { '.sql': 'text' },
    logLevel: 'warning',
    logLimit: 20,
  });
  return outputFiles;
}

/** Writes chunks first and the entry last, each by rename, so that a half-built dist is never run. */
function writeBundle(files) {
  mkdirSync(path.join(dist, 'chunks'), { recursive: true });
  const isEntry = (file) => path.basename(file.path) === ENTRY_NAME;
  for (const file of files.toSorted((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) {
    const temporary = `${file.path}.${process.pid}.tmp`;
    writeFileSync(temporary, file.contents, { mode: isEntry(file) ? 0o755 : 0o644 });
    renameSync(temporary, file.path);
  }
  const current = new Set(files.map((file) => path.basename(file.path)));
  for (const name of readdirSync(path.join(dist, 'chunks'))) {
    const file = path.join(dist, 'chunks', name);
    if (!current.has(name) && Date.now() - statSync(file).mtimeMs > STALE_AFTER_MS) rmSync(file);
  }
}

/** Builds if need be. Returns true when it built, false when dist/ was up to date. */
export async function buildIfStale() {
  const stamp = hashOfInputs();
  if (isBuilt(stamp)) return false;
  writeBundle(await bundle());
  writeFileSync(stampFile, stamp);
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const started = Date.now();
  const built = await buildIfStale().catch(() => {
    console.error('error: the build failed: see the lines above');
    process.exit(3);
  });
  console.error(built ? `built dist/ in ${Date.now() - started} ms` : 'dist/ is up to date');
}
