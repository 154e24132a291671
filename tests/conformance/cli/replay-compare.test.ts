/** Replay finds what was changed, comparison explains every tick. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { lab, labRun, withTemporaryFolder } from './lab.ts';

const STORM = ['vdso-vs-syscall', '--param', 'operations=200', '--param', 'clock=MONOTONIC'];

interface CompareJson {
  readonly variants: readonly {
    readonly deltaTicks: number;
    readonly residualTicks: number;
    readonly parts: readonly { readonly deltaTicks: number; readonly cause: string }[];
  }[];
}

describe('lab replay', () => {
  it('says that an untouched run is identical', () => {
    withTemporaryFolder((folder) => {
      const { run } = labRun(...STORM, '--out', path.join(folder, 'run'));
      const { status, stdout } = lab('replay', run);
      expect(status).toBe(0);
      expect(stdout).toContain('replay identical');
    });
  });

  it('names the first divergence of a run whose manifest was changed, and exits 1', () => {
    withTemporaryFolder((folder) => {
      const { run } = labRun(...STORM, '--out', path.join(folder, 'run'));
      const manifest = path.join(run, 'manifest.json');
      const text = readFileSync(manifest, 'utf8');
      const changed = text.replace('"pti=off"', '"pti=on"').replace('pti=auto', 'pti=on');
      writeFileSync(
        manifest,
        changed === text ? text.replace(/"seed": *"?1\b/, '"seed":2') : changed,
      );
      const { status, stdout, stderr } = lab('replay', run);
      expect(status).toBe(1);
      expect(stdout + stderr).toMatch(/diverge/);
    });
  });
});

describe('lab compare', () => {
  it('decomposes the difference with residual 0 for every variant', () => {
    const { status, stdout } = lab(
      'compare',
      ...STORM,
      '--base',
      'pti=off',
      '--variant',
      'pti=on',
      '--variant',
      'pti=on nopcid',
      '--json',
    );
    expect(status).toBe(0);
    const { variants } = JSON.parse(stdout) as CompareJson;
    expect(variants).toHaveLength(2);
    for (const { deltaTicks, residualTicks, parts } of variants) {
      expect(residualTicks).toBe(0);
      expect(deltaTicks).toBeGreaterThan(0);
      expect(parts.reduce((sum, part) => sum + part.deltaTicks, 0)).toBe(deltaTicks);
    }
    expect(variants[0]?.parts.some(({ cause }) => cause === 'mitigation:pti')).toBe(true);
  });

  it('gates: exits 1 when a variant is slower than allowed', () => {
    const args = ['compare', ...STORM, '--base', 'pti=off', '--variant', 'pti=on'];
    expect(lab(...args, '--fail-above', '0.1%').status).toBe(1);
    expect(lab(...args, '--fail-above', '100000%').status).toBe(0);
  });
});
