/**
 * The limit on what a run may take of the host's memory. A machine that cannot fit is refused before
 * it starts; what grows during the run is looked at whenever the run hands something over.
 */
import process from 'node:process';
import { InfrastructureError } from '../cli/errors.ts';

const MIB = 2 ** 20;
/** Deliveries between two looks: asking the host takes about as long as simulating a system call. */
const LOOK_EVERY = 64;

export class HostMemoryGuard {
  private deliveries = 0;

  /** @param bytesMax resident bytes of this process, or undefined for no limit */
  constructor(private readonly bytesMax: number | undefined) {}

  /** To be called with each batch and each piece of output. Throws beyond the limit. */
  look(): void {
    const { bytesMax } = this;
    if (bytesMax === undefined || this.deliveries++ % LOOK_EVERY !== 0) return;
    const used = process.memoryUsage.rss();
    if (used <= bytesMax) return;
    const [has, may] = [used, bytesMax].map((bytes) => `${Math.ceil(bytes / MIB)} MiB`);
    throw new InfrastructureError(`the run takes ${has} of host memory, and may take ${may}`, {
      place: '--host-memory',
      remedy: 'raise the limit, record fewer tables (--events), or give the guest less (mem=)',
    });
  }
}
