/**
 * Tries vectors that are not kept: records fresh ones natively, replays them through both executors
 * and forgets them. `npm run vectors -- 1000000` tries so many; a second argument is the number of the
 * first instance of each form (the kept ones are below 56). Exit 1 if any goes wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { failuresOf } from '../failures.ts';
import type { Vector } from '../fixture.ts';
import { planAll, planRounded, readForms, type Planned } from './plan.ts';
import { recordVectors } from './record.ts';

/** Instances of each form in one slice: as many vectors as the bare machine has room for code. */
const SLICE = 40;
const ROUNDED_SLICE = 40;
const FIRST = 100;
const PAGE_FAULT = 14;
/** Bit of the error code: the page is there, but does not allow the access. */
const PRESENT = 1;

const wanted = Number(process.argv[2] ?? '50000');
let first = Number(process.argv[3] ?? String(FIRST));
if (!Number.isInteger(wanted) || wanted <= 0 || !Number.isInteger(first) || first < 0) {
  console.error('usage: npm run vectors -- [number of vectors] [first instance]');
  process.exit(2);
}

const directory = mkdtempSync(path.join(tmpdir(), 'isa-'));
const forms = readForms();
let tried = 0;
let left = 0;
let wrong = 0;

/** An address far from the window hit memory of the recording process itself, which nobody else has. */
function hitHarness({ trap, errorCode }: Vector): boolean {
  return trap === PAGE_FAULT && (errorCode & PRESENT) !== 0;
}

function attempt(planned: readonly Planned[]): void {
  const vectors = recordVectors(directory, planned.slice(0, wanted - tried));
  left += vectors.filter(hitHarness).length;
  for (const executor of ['interpreter', 'translator'] as const) {
    const failures = failuresOf(
      { forms, vectors },
      executor,
      true,
      (vector) => !hitHarness(vector),
    );
    wrong += failures.length;
    for (const failure of failures) console.log(`${executor}: ${failure}`);
  }
  tried += vectors.length;
  const counts = [tried, first, left, wrong].map(String);
  console.log(
    `${counts[0]} vectors, up to instance ${counts[1]}, ${counts[2]} left out, ${counts[3]} wrong`,
  );
}

while (tried < wanted) {
  attempt(planAll(forms, { first, count: SLICE, rawCount: 4 }));
  if (tried < wanted) attempt(planRounded(forms, { first, count: ROUNDED_SLICE, rawCount: 0 }));
  first += SLICE;
}
rmSync(directory, { recursive: true });
process.exitCode = wrong === 0 ? 0 : 1;
