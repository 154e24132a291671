import { it } from 'vitest';
import { countPath, measuredPaths, OPERATIONS } from './kernel-paths.ts';
it('show', () => {
  const m = measuredPaths();
  for (const name of Object.keys(OPERATIONS)) {
    const line = (['off','on','on_zen'] as const).map((b) => { const c = countPath(name, b).instructions; const t = m.get(name)![b]; return `${c}/${t} ${((c/t-1)*100).toFixed(1)}%`; });
    console.log(name.padEnd(34), line.join('   '));
  }
}, 60000);
