/** Where the reference data is: the folder `datasets` of the installation, bundled or not. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { InfrastructureError } from '../cli/errors.ts';

/** Path of `datasets/FILE`. Throws InfrastructureError when the installation has no such file. */
export function datasetPath(file: string): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'datasets', file);
    if (existsSync(candidate)) return candidate;
    if (path.dirname(folder) === folder) break;
  }
  throw new InfrastructureError(`datasets/${file} is missing`, {
    remedy: 'run the lab from a whole checkout',
  });
}
