/**
 * Control groups from a program's point of view. Natively only root may make them, so what the program
 * must print follows from Linux 6.1 Documentation/admin-guide/cgroup-v2.rst.
 */
import { expect, test } from 'vitest';
import { loadBinary } from './fixtures.ts';
import { runProgram } from './run-program.ts';

function printed(part: string, kernel: string): string[] {
  const result = runProgram({
    elf: loadBinary('control-groups-musl'),
    path: '/bin/control-groups',
    argv: ['control-groups', part],
    env: [],
    board: 'zen4-vm',
    kernel,
    seed: 1,
    tier: 'auto',
    filter: true,
  });
  expect(result.exit).toBe(0);
  return result.stdout.trimEnd().split('\n');
}

test('groups come and go, with a weight once the group above hands out CPU time', () => {
  expect(printed('hierarchy', '')).toEqual([
    '/sys/fs/cgroup/cgroup.controllers: cpu',
    'mkdir: ok',
    '/sys/fs/cgroup/plain/cpu.weight: absent',
    'cgroup.subtree_control = +memory: Invalid argument',
    'cgroup.subtree_control = +cpu: ok',
    '/sys/fs/cgroup/plain/cpu.weight: 100',
    'plain/cpu.weight = 0: Result not representable',
    'plain/cpu.weight = 250: ok',
    '/sys/fs/cgroup/plain/cpu.weight: 250',
    'plain/cpu.max = 500 100000: Invalid argument',
    'plain/cgroup.procs = 99999: No such process',
    'open: Permission denied',
    'rmdir: ok',
  ]);
});

test('four threads on four CPUs get the time that a quota of one CPU gives', () => {
  expect(printed('quota', 'maxcpus=4')).toEqual([
    'cgroup.subtree_control = +cpu: ok',
    'mkdir: ok',
    'limited/cpu.max = 100000 100000: ok',
    'limited/cgroup.procs = 0: ok',
    '/proc/self/cgroup: 0::/limited',
    'used about 200 ms: 1',
    'rmdir: Resource busy',
    '/sys/fs/cgroup/limited/cgroup.events: populated 1',
    'frozen 0',
    'cgroup.procs = 0: ok',
    'rmdir: ok',
  ]);
});

test('two processes on one CPU share it by weight', () => {
  expect(printed('weights', 'maxcpus=1').at(-1)).toBe('three quarters: 1');
});
