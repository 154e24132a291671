// Every static check, two at a time; prints what fails and how long each took.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const CONCURRENCY = 2;
const CONFIG = 'tests/architecture';

/** Longest first, so that the two lanes end together. */
const STEPS = [
  {
    name: 'lint',
    command: ['eslint', '--config', `${CONFIG}/eslint.config.js`, '--max-warnings', '0', '.'],
  },
  { name: 'generated', command: ['node', '.ci/generate.mjs', '--check'] },
  {
    name: 'format',
    command: [
      'prettier',
      '--check',
      '--log-level',
      'warn',
      '--ignore-path',
      `${CONFIG}/prettierignore`,
      '.',
    ],
  },
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'types in lab/', command: ['node', '.ci/check-lab-types.mjs'] },
  {
    name: 'boundaries',
    command: [
      'depcruise',
      '--config',
      `${CONFIG}/dependency-cruiser.cjs`,
      '--output-type',
      'err',
      ...['lab', 'machine', 'workloads', 'tests'].filter((name) =>
        existsSync(path.join(root, name)),
      ),
    ],
  },
  { name: 'dead code', command: ['knip', '--treat-config-hints-as-errors'] },
];

/** Runs a step; resolves to its output and exit code. Tools come from node_modules/.bin. */
function run({ command }) {
  const bin = path.join(root, 'node_modules/.bin');
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}`, NO_COLOR: '1' };
  delete env.FORCE_COLOR;
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), {
      cwd: root,
      env,
      shell: process.platform === 'win32',
    });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    const finish = (code, output) => {
      resolve({ code, output, seconds: (Date.now() - started) / 1000 });
    };
    child.on('error', (error) => finish(3, `${command[0]}: ${error.message}`));
    child.on('close', (code) => finish(code ?? 3, Buffer.concat(chunks).toString().trim()));
  });
}

function report(step, { code, output, seconds }) {
  const verdict = code === 0 ? 'ok    ' : 'FAILED';
  console.log(`${verdict} ${step.name.padEnd(14)} ${seconds.toFixed(1).padStart(5)} s`);
  if (code !== 0) console.log(`${output}\n  again: npm run check -- '${step.name}'`);
}

/** Runs the steps named, or all. Resolves to the counts of steps that passed and failed. */
export async function check(names = []) {
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name));
  if (unknown.length > 0) {
    const known = STEPS.map((step) => step.name).join(', ');
    console.error(`error: unknown check '${unknown[0]}': choose from ${known}`);
    process.exit(2);
  }
  const queue = STEPS.filter((step) => names.length === 0 || names.includes(step.name));
  const counts = { passed: 0, failed: 0 };
  const lane = async () => {
    for (let step = queue.shift(); step; step = queue.shift()) {
      const result = await run(step);
      report(step, result);
      counts[result.code === 0 ? 'passed' : 'failed']++;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  return counts;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { failed } = await check(process.argv.slice(2));
  process.exit(failed > 0 ? 1 : 0);
}
