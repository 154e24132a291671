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
