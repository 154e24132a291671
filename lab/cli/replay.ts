/** `lab replay RUN`: executes a recorded run again and says whether it is identical. */
import process from 'node:process';
import { Command } from 'commander';
import { parseTier, TIERS } from '../experiment/experiment.ts';
import { ExitCode } from './errors.ts';
import { colour, formatNumber, printJson, printLine } from './output.ts';

interface ReplayOptions {
  readonly tier: string;
  readonly filter: boolean;
  readonly json?: boolean;
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('Re-executes a run and compares every batch; names the first divergence.')
    .argument('<run>', 'run directory')
    .option('--tier <name>', `executor: ${TIERS.join(', ')}; never changes results`, 'auto')
    .option('--no-filter', 'without the inline line filter; never changes results')
    .option('--json', 'print the verdict as JSON')
    .addHelpText('after', '\nExits 0 when the replay is identical, 1 when it diverges.')
    .action(async (path: string, options: ReplayOptions) => {
      const { replay } = await import('../replay/replay.ts');
      const result = await replay(path, { tier: parseTier(options.tier), filter: options.filter });
      if (!result.identical) process.exitCode = ExitCode.FAILED;
      if (options.json === true) {
        printJson(result);
      } else if (result.identical) {
        const extent = `${formatNumber(result.rows)} rows in ${result.batches} batches`;
        printLine(`${colour.green('replay identical')}: ${extent}, totals and output`);
      } else {
        printLine(`${colour.red('replay diverges')}: ${result.divergence ?? ''}`);
      }
    });
}
