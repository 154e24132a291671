/** What makes the processor stop or start over: faults, written code, unmapped code, many spaces. */
import { describe, expect, it } from 'vitest';
import {
  byte,
  dword,
  qword,
  registers,
  type Assembler,
} from '../../../../machine/hardware/cpu/assembler.ts';
import type { ExecutorTier } from '../../../../machine/hardware/cpu/dispatch.ts';
import { Cpu, ExitReason } from '../../../../machine/hardware/layout.ts';
import { HEAP } from '../../../bench/loops.ts';
import { ProcessorRig } from './processor-rig.ts';
import { ABSENT, CODE, DATA } from './rig.ts';

const { rax, rbx, rcx, rdx, rdi, rsi, al, eax, edx } = registers;
const LIMIT = 1e9;
const TIERS: readonly ExecutorTier[] = ['interpreter', 'translator', 'auto'];

function marker(asm: Assembler): void {
  asm.bytes([0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x43, 0x4c]);
}

/** What each tier makes of the same scenario; all must be what the interpreter makes of it. */
function inAllTiers(scenario: (rig: ProcessorRig) => unknown): unknown {
  const [expected, ...others] = TIERS.map((tier) => scenario(new ProcessorRig({ tier })));
  for (const other of others) expect(other).toEqual(expected);
  return expected;
}

describe('a page fault', () => {
  it('stops at the instruction, books what came before it, and restarts exactly', () => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.mov(rdi, ABSENT);
        asm.mov(eax, 7);
        asm.add(rax, 1);
        asm.add(qword(rdi), rax);
        asm.mov(rbx, qword(rdi));
        marker(asm);
      });
      const first = rig.processor.run(0, LIMIT);
      const fault = {
        rip: rig.state.rip,
        address: rig.machine.get64(Cpu.EXIT_ADDRESS),
        code: rig.machine.get32(Cpu.EXIT_INFO),
        rax: rig.state.register(0),
        clock: rig.state.clock,
      };
      rig.machine.map(ABSENT, 0x300000, 7n);
      const second = rig.processor.run(0, LIMIT);
      return { first, fault, second, rbx: rig.state.register(3), end: rig.observe(second) };
    });
    expect(seen).toMatchObject({
      first: ExitReason.PAGE_FAULT,
      fault: { address: ABSENT, code: 6, rax: 8n },
      second: ExitReason.MARKER,
      rbx: 8n,
      end: { residuals: [0], instructions: 6 },
    });
  });

  it('on the way to code that is not mapped names the missing byte', () => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.mov(rax, ABSENT);
        asm.jmp(rax);
      });
      const reason = rig.processor.run(0, LIMIT);
      const address = rig.machine.get64(Cpu.EXIT_ADDRESS);
      return { address, code: rig.machine.get32(Cpu.EXIT_INFO), end: rig.observe(reason) };
    });
    expect(seen).toMatchObject({
      address: ABSENT,
      code: 0x14,
      end: { reason: ExitReason.PAGE_FAULT, state: { rip: ABSENT.toString(16) }, residuals: [0] },
    });
  });

  it('of a repeated string instruction leaves the registers where it got to', () => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.mov(rdi, ABSENT - 100n);
        asm.mov(rcx, 300);
        asm.mov(eax, 0x5a);
        asm.rep().stosb();
        marker(asm);
      });
      const reason = rig.processor.run(0, LIMIT);
      const left = rig.state.register(1);
      rig.machine.map(ABSENT, 0x300000, 7n);
      const second = rig.processor.run(0, LIMIT);
      return { reason, left, end: rig.observe(second) };
    });
    expect(seen).toMatchObject({
      reason: ExitReason.PAGE_FAULT,
      left: 200n,
      end: { reason: ExitReason.MARKER, residuals: [0] },
    });
  });
});

describe('exceptions', () => {
  it.each([
    { name: 'ud2', emit: (asm: Assembler) => asm.ud2(), vector: 6, after: 0n },
    { name: 'int3', emit: (asm: Assembler) => asm.int3(), vector: 3, after: 1n },
  ])('of $name', ({ emit, vector, after }) => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.mov(eax, 1);
        emit(asm);
      });
      const reason = rig.processor.run(0, LIMIT);
      return { info: rig.machine.get32(Cpu.EXIT_INFO), end: rig.observe(reason) };
    });
    const rip = (CODE + 5n + after).toString(16);
    expect(seen).toMatchObject({
      info: vector,
      end: { reason: ExitReason.EXCEPTION, state: { rip }, residuals: [0] },
    });
  });

  it('division by zero is #DE at the instruction', () => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.xor(eax, eax);
        asm.mov(rdx, 0);
        asm.mov(rcx, 0);
        asm.div(rcx);
      });
      const reason = rig.processor.run(0, LIMIT);
      return { info: rig.machine.get32(Cpu.EXIT_INFO), end: rig.observe(reason) };
    });
    expect(seen).toMatchObject({ info: 0, end: { reason: ExitReason.EXCEPTION } });
  });
});

describe('code that changes', () => {
  /** Calls a function 300 times and patches the constant that it returns after each call. */
  function selfModifying(asm: Assembler): void {
    const patched = asm.newLabel('patched');
    asm.mov(rsi, 300);
    asm.xor(rbx, rbx);
    asm.mov(rdi, CODE + 0x1001n);
    const loop = asm.here();
    asm.call(patched);
    asm.add(rbx, rax);
    asm.add(dword(rdi), 1);
    asm.sub(rsi, 1);
    asm.jne(loop);
    marker(asm);
    asm.align(4096);
    asm.bind(patched);
    asm.mov(eax, 5);
    asm.ret();
  }

  it('under a running loop is seen at the next block, in every tier', () => {
    const seen = inAllTiers((rig) => {
      rig.load(selfModifying);
      return rig.observe(rig.processor.run(0, LIMIT));
    });
    const sum = BigInt((300 * (5 + 304)) / 2).toString(16);
    expect(seen).toMatchObject({ reason: ExitReason.MARKER, state: { r3: sum }, residuals: [0] });
  });

  it('one instruction ahead is executed as written', () => {
    // The constant of `mov eax, 0` is at CODE + 0x81, in the block that writes it.
    const program = (direct: boolean) => (asm: Assembler) => {
      asm.mov(edx, 250);
      asm.xor(rbx, rbx);
      const loop = asm.here();
      if (direct) {
        asm.mov(dword({ offset: Number(CODE) + 0x81 }), edx);
      } else {
        asm.mov(rsi, DATA);
        asm.mov(dword(rsi), edx);
        asm.mov(rdi, CODE + 0x81n);
        asm.mov(rcx, 4);
        asm.rep().movsb();
      }
      asm.align(128);
      asm.mov(eax, 0);
      asm.add(rbx, rax);
      asm.sub(rdx, 1);
      asm.jne(loop);
      marker(asm);
    };
    for (const direct of [true, false]) {
      const seen = inAllTiers((rig) => {
        rig.load(program(direct));
        return rig.observe(rig.processor.run(0, LIMIT));
      });
      const sum = BigInt((250 * 251) / 2).toString(16);
      expect(seen).toMatchObject({ state: { r3: sum }, residuals: [0] });
    }
  });

  it('through the kernel is seen, and so is a new mapping', () => {
    const program = (value: number) => (asm: Assembler) => {
      asm.mov(eax, value);
      marker(asm);
    };
    const seen = inAllTiers((rig) => {
      const values: bigint[] = [];
      const run = (): void => {
        rig.start(CODE);
        rig.processor.run(0, LIMIT);
        values.push(rig.state.register(0));
      };
      rig.load(program(1));
      run();
      rig.load(program(2));
      run();
      // Another frame under the same address: nothing is written, so the kernel must say so.
      rig.machine.physical.write(0x300000, Uint8Array.of(0xb8, 3, 0, 0, 0));
      rig.machine.physical.copy(0x300005, 0x100005, 16);
      rig.machine.map(CODE, 0x300000, 7n);
      rig.machine.hierarchy.invalidatePage(0, CODE);
      rig.processor.invalidateCode(0, Number(CODE), Number(CODE) + 4096);
      run();
      return values;
    });
    expect(seen).toEqual([1n, 2n, 3n]);
  });

  it('data beside code, written in a hot loop, costs nothing but time', () => {
    const seen = inAllTiers((rig) => {
      rig.load((asm) => {
        asm.mov(rcx, 500);
        asm.mov(rdi, CODE + 0x800n);
        const loop = asm.here();
        asm.add(byte(rdi), 1);
        asm.sub(rcx, 1);
        asm.jne(loop);
        asm.movzx(eax, byte(rdi));
        marker(asm);
      });
      return rig.observe(rig.processor.run(0, LIMIT));
    });
    expect(seen).toMatchObject({ state: { r0: (500 & 0xff).toString(16) }, residuals: [0] });
  });
});

describe('code spaces', () => {
  it('keep blocks at the same address apart', () => {
    for (const tier of TIERS) {
      const rig = new ProcessorRig({ tier });
      const programs = [11, 22].map((value) => (asm: Assembler) => {
        asm.mov(eax, value);
        asm.mov(byte({ offset: Number(DATA) }), al);
        marker(asm);
      });
      programs.forEach((program, index) => {
        rig.processor.switchCodeSpace(0, 1 + index);
        rig.load(program);
        rig.processor.run(0, LIMIT);
        expect(rig.state.register(0)).toBe(BigInt(11 * (index + 1)));
      });
      rig.processor.dropCodeSpace(1);
      rig.settle();
      expect(rig.ledger.residuals([rig.state.clock])).toEqual([0]);
      expect(rig.processor.instructions).toBe(6);
    }
  });
});

describe('a code space whose number is used again', () => {
  it('holds nothing of the one before, even while a CPU is in it', () => {
    const seen = inAllTiers((rig) => {
      const { machine, processor, state } = rig;
      // The same page at another frame: no write tells the processor.
      const values = [3, 4].map((value, index) => {
        const frame = 0x300000 + index * 0x1000;
        machine.physical.write(frame, Uint8Array.of(0xb8, value, 0, 0, 0));
        machine.physical.write(frame + 5, Uint8Array.of(0x0f, 0x1f, 0x84, 0, 1, 0, 0x43, 0x4c));
        machine.map(CODE, frame, 7n);
        machine.hierarchy.flushTlb(0, 0);
        processor.switchCodeSpace(0, 0x7000);
        rig.start(CODE);
        processor.run(0, LIMIT);
        processor.dropCodeSpace(0x7000);
        return state.register(0);
      });
      return { values, end: rig.observe(ExitReason.MARKER) };
    });
    expect(seen).toMatchObject({ values: [3n, 4n], end: { instructions: 4, residuals: [0] } });
  });
});

describe('two CPUs', () => {
  it('that take turns in one loop have their own accounts', () => {
    const rig = new ProcessorRig({ tier: 'auto', cpus: 2 });
    rig.load((asm) => {
      asm.mov(rcx, 20_000);
      asm.mov(rdi, HEAP);
      const loop = asm.here();
      asm.add(rax, qword(rdi));
      asm.sub(rcx, 1);
      asm.jne(loop);
      marker(asm);
    });
    const { linear } = rig.machine;
    linear.u64[(linear.cpuBlock(1) + Cpu.RIP) >> 3] = CODE;
    const clocks = [0, 0];
    let running = [0, 1];
    for (let limit = 10_000; running.length > 0; limit += 10_000) {
      running = running.filter((cpu) => {
        const reason = rig.processor.run(cpu, limit);
        const block = linear.cpuBlock(cpu);
        clocks[cpu] = Number(
          linear.i64[(block + Cpu.LIMIT) >> 3] - linear.i64[(block + Cpu.LEFT) >> 3],
        );
        return reason === ExitReason.BUDGET;
      });
    }
    for (const cpu of [0, 1]) rig.processor.settle(cpu, 1 + cpu, rig.ledger, () => 0);
    rig.ledger.closeWindow('end', clocks);
    expect(rig.ledger.residuals(clocks)).toEqual([0, 0]);
    expect(rig.ledger.rows.map((row) => [row.cpu, row.tid, row.instructions])).toEqual([
      [0, 1, 60_003],
      [1, 2, 60_003],
    ]);
  });
});
