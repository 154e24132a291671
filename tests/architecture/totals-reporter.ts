/**
 * Vitest reporter: prints each failure as it is found, and the totals as the last line. With
 * CYCLELAB_TOTALS set to a file name it writes them there as JSON instead, for `npm test`.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from 'vitest/node';

type RunErrors = Parameters<NonNullable<Reporter['onTestRunEnd']>>[1];

const SLOW_MS = 5000;

export default class TotalsReporter implements Reporter {
  private readonly totals = { passed: 0, failed: 0, skipped: 0 };
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result();
    if (state === 'pending') return;
    this.totals[state]++;
    if (state === 'failed') this.fail(`${test.module.relativeModuleId} > ${test.fullName}`, test);
  }

  onTestModuleEnd(module: TestModule): void {
    const errors = module.errors();
    if (errors.length > 0) {
      this.totals.failed++;
      this.fail(`${module.relativeModuleId} did not load`, module);
    }
    const milliseconds = module.diagnostic().duration;
    if (milliseconds > SLOW_MS) {
      console.log(`slow: ${module.relativeModuleId} took ${(milliseconds / 1000).toFixed(1)} s`);
    }
  }

  onTestRunEnd(
    _modules: readonly TestModule[],
    unhandled: RunErrors,
    reason: TestRunEndReason,
  ): void {
    for (const error of unhandled) this.vitest?.logger.printError(error);
    this.totals.failed += unhandled.length;
    if (reason === 'failed' && this.totals.failed === 0) this.totals.failed = 1;
    const file = process.env['CYCLELAB_TOTALS'];
    if (file === undefined) console.log(this.lastLine());
    else writeFileSync(file, JSON.stringify(this.totals));
  }

  private fail(title: string, subject: TestCase | TestModule): void {
    console.log(`FAILED ${title}`);
    const errors = subject.type === 'test' ? subject.result().errors : subject.errors();
    for (const error of errors ?? []) this.vitest?.logger.printError(error);
    const file = path.relative(
      process.cwd(),
      (subject.type === 'test' ? subject.module : subject).moduleId,
    );
    const filter = subject.type === 'test' ? ` -t ${JSON.stringify(subject.fullName)}` : '';
    console.log(
      `  again: npx vitest run --config tests/architecture/vitest.config.ts ${file}${filter}\n`,
    );
  }

  private lastLine(): string {
    const { passed, failed, skipped } = this.totals;
    return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  }
}
