import { ScriptedKernel, call } from './unit/linux/scripted-kernel.ts';
import { ExitReason } from '../machine/hardware/layout.ts';
import { ZEN4_VM } from '../machine/board/zen4-vm.ts';
const N = 1000000;
for (const [cl, ev] of (process.env.ALL ? [['', []], ['pti=on', []], ['', ['syscalls']]] : [['', []],['', []]]) as any) {
  const s = new ScriptedKernel({ board: ZEN4_VM, commandLine: cl, events: ev });
  let n = 0;
  const words = new Uint32Array(s.linear.memory.buffer, s.state.block, 32);
  const ctx: any = (s.kernel.platform as any).context;
  ctx.run = (cpu: number, limit: number) => {
    if (n++ < N) { s.state.clock += 64; words[0] = 110; return ExitReason.SYSCALL; }
    return call('exit_group', 0)(s);
  };
  // warm up LIMIT
  s.linear.data.setBigInt64(s.state.block + 0x288, 1n << 50n, true); s.linear.data.setBigInt64(s.state.block + 0x280, (1n << 50n) - BigInt(s.state.clock), true);
  const t0 = process.hrtime.bigint(); const c0 = s.state.clock;
  s.running.run();
  const dt = Number(process.hrtime.bigint() - t0) / 1e9;
  console.log(cl, ev, (N / dt / 1e6).toFixed(2), 'M/s', ((s.state.clock - c0) / 64 / N).toFixed(1), 'cycles per call');
}
{
  const s = new ScriptedKernel({ board: ZEN4_VM, commandLine: '' });
  const steps = Array.from({ length: 300 }, () => call('getppid'));
  const acc: any = (s.kernel.cpu as any).access; const core = acc.core;
  const seen = new Map<string, number>(); let on = false;
  for (const k of ['kernelRead','kernelWrite','kernelFetch']) { const o = core[k]; acc.core = { ...acc.core, [k]: (b: number, lo: number, hi: number, r: number) => { if (on) { const key = k + ' ' + (hi>>>0).toString(16) + (lo>>>0).toString(16).padStart(8,'0'); seen.set(key, (seen.get(key) ?? 0) + 1); } return o(b, lo, hi, r); } }; }
  s.play(...steps, (x) => { on = true; return call('getppid')(x); }, ...steps);
  console.log([...seen].sort((a,b)=>b[1]-a[1]).slice(0,30));
}
