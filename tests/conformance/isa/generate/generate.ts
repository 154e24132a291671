/**
 * Records the instruction vectors that the tests keep: `npx tsx
 * tests/conformance/isa/generate/generate.ts` writes vectors.bin, mxcsr-vectors.bin and
 * unmasked-vectors.bin next to the tests.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeFixture, NO_TRAP } from '../fixture.ts';
import { planAll, planRounded, planUnmasked, readForms, type Planned } from './plan.ts';
import { recordVectors } from './record.ts';

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
rmSync(directory, { recursive: true });
