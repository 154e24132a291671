/**
 * Records the instruction vectors that the tests keep: `npx tsx
 * tests/conformance/isa/generate/generate.ts` writes vectors.bin, mxcsr-vectors.bin,
 * unmasked-vectors.bin and found-vectors.bin next to the tests.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeFixture, NO_TRAP } from '../fixture.ts';
import { planAll, planRounded, planSeeds, planUnmasked, readForms, type Planned } from './plan.ts';
import { recordVectors } from './record.ts';

/** What `npm run vectors` found wrong once: x87 stacks, wraps, stopped stores, pseudo-denormals. */
const FOUND = [
  ...[38500107, 38501041, 79500117, 80400125, 82600134, 82700175, 82700219, 82700686, 99600621],
  ...[99600675, 121700141, 121700142, 121800100, 121800201, 121800203],
];

const directory = mkdtempSync(path.join(tmpdir(), 'isa-'));
const forms = readForms();

function keep(file: string, planned: readonly Planned[]): void {
  const vectors = recordVectors(directory, planned);
  const bytes = encodeFixture({ forms, vectors });
  writeFileSync(path.join(import.meta.dirname, '..', file), bytes);
  const traps = vectors.filter(({ trap }) => trap !== NO_TRAP).length;
  const counts = [vectors.length, traps, bytes.length].map(String);
  console.log(`${file}: ${counts[0]} vectors, ${counts[1]} traps, ${counts[2]} bytes`);
}

keep('vectors.bin', planAll(forms, { first: 0, count: 40, rawCount: 4 }));
keep('mxcsr-vectors.bin', planRounded(forms, { first: 0, count: 56, rawCount: 0 }));
keep('unmasked-vectors.bin', planUnmasked(forms, { first: 0, count: 40, rawCount: 0 }));
keep('found-vectors.bin', planSeeds(forms, FOUND));
rmSync(directory, { recursive: true });
