/** `npm run fuzz -- COUNT [FIRST]`: runs so many programs of random bytes; exit 1 if any goes wrong. */
import { fuzzFailure } from './fuzz-outcome.ts';

const PROGRESS = 250;

const count = Number(process.argv[2] ?? '1000');
const first = Number(process.argv[3] ?? '0');
if (!Number.isInteger(count) || count <= 0 || !Number.isInteger(first) || first < 0) {
  console.error('usage: npm run fuzz -- [number of programs] [first seed]');
  process.exit(2);
}

let wrong = 0;
for (let seed = first; seed < first + count; seed++) {
  const failure = fuzzFailure(seed);
  if (failure !== undefined) {
    wrong++;
    console.log(`seed ${String(seed)}: ${failure}`);
  }
  const done = seed - first + 1;
  if (done % PROGRESS === 0 || done === count) {
    console.log(`${String(done)} programs, ${String(wrong)} wrong`);
  }
}
process.exitCode = wrong === 0 ? 0 : 1;
