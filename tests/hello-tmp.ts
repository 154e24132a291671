import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { runMachine } from '../machine/board/machine.ts';
import { BOARDS } from '../machine/board/boards.ts';
const [path, board='zen4-vm', cl='', tier='auto', ...args] = process.argv.slice(2);
let bytes = new Uint8Array(readFileSync(path)); if (path.endsWith('.gz')) bytes = new Uint8Array(gunzipSync(bytes));
const b = (BOARDS as any)[board] ?? (BOARDS as any).get?.(board) ?? (BOARDS as any).find?.((x:any)=>x.name===board);
let out='';
const t0=Date.now();
const r: any = runMachine({ board: b, commandLine: cl, seed: 1, program: { path: '/bin/prog', bytes, argv: ['prog', ...args], env: [] }, phases: [], trace: { write(){} }, events: new Set(), tier: tier as any, filter: true, onConsole: (fd, x) => { process.stdout.write(x); } });
const t1=Date.now();
if (r.kind==='refusal') console.log(r);
else { console.log('---', r.exit, 'clocks', r.clocks, 'residual', r.ledger.residuals(r.clocks), 'user', r.userInstructions, 'kernel', r.kernelInstructions, 'ms', t1-t0, 'warnings', r.warnings); }
if (r.kind!=='refusal' && process.env['DUMP']) {
  const { CAUSES } = await import('../machine/core/ledger/cause.ts');
  const by: any = {}; const fn: any = {};
  for (const row of r.ledger.rows) { const sy = r.symbols.at(row.symbol); CAUSES.forEach((c: string, i: number) => { const k = row.context + ' ' + c; by[k] = (by[k] ?? 0) + row.ticks[i]; const f = sy.name; fn[f] ??= { n: 0, t: 0, i: 0 }; fn[f].t += row.ticks[i]; }); const f = sy.name; fn[f].n += row.count; fn[f].i += row.instructions; }
  console.log(Object.entries(by).filter((x: any) => x[1]).sort((a: any, b: any) => b[1] - a[1]).map((x: any) => x[0] + ' ' + (x[1] / 64).toFixed(0)).join('\n'));
  console.log(Object.entries(fn).sort((a: any, b: any) => b[1].t - a[1].t).slice(0, 25).map(([k, v]: any) => `${k} ${(v.t / 64).toFixed(0)} cycles, ${v.n} calls, ${v.i} instr`).join('\n'));
}
