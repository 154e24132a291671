/**
 * The guest programs of the conformance suite: how each binary is built and how each case runs it.
 * Pure data; build.ts makes the fixtures from it, fixtures.ts loads them.
 */

/**
 * Path under which the counts were taken and the machine must run every program: glibc copies the
 * directory of its executable, so that the length of the path shows in the counts.
 */
export const GUEST_PATH = '/tmp/cyclelab-guest';

/** How a binary is linked: the C library, and whether it is position independent. */
export type Linkage = 'bare' | 'glibc' | 'glibc-pie' | 'musl' | 'musl-pie' | 'musl-dynamic';

export interface BinaryRecipe {
  readonly linkage: Linkage;
  /** Files in sources/. */
  readonly sources: readonly string[];
  readonly flags?: readonly string[];
  readonly libraries?: readonly string[];
}

export interface Case {
  readonly binary: string;
  /** Complete argument vector, argv[0] included. */
  readonly argv: readonly string[];
  /** Environment entries, in order. Absent: empty, as under `env -i`. */
  readonly env?: readonly string[];
  /** Why user-mode QEMU prints something else than Linux. Absent: it must print the same. */
  readonly qemuDiffers?: string;
  /** Why it is not run under user-mode QEMU at all. */
  readonly notInQemu?: string;
  /** The fixture has executed counts per address. */
  readonly counted?: boolean;
}

const TOUR_SOURCES = ['tour', 'start', 'clock', 'memory', 'compute', 'output', 'fault'].map(
  (name) => `${name}.c`,
);
const HELLO = { sources: ['hello.c'] };
// Without -fno-builtin the compiler would compute most string calls of the tour itself.
const TOUR = { sources: TOUR_SOURCES, flags: ['-fno-builtin'] };

export const BINARIES: Readonly<Record<string, BinaryRecipe>> = {
  bare: { linkage: 'bare', sources: ['bare.c'] },
  'hello-glibc': { linkage: 'glibc', ...HELLO },
  'hello-glibc-pie': { linkage: 'glibc-pie', ...HELLO },
  'hello-musl': { linkage: 'musl', ...HELLO },
  'hello-musl-pie': { linkage: 'musl-pie', ...HELLO },
  'hello-dynamic': { linkage: 'musl-dynamic', ...HELLO },
  'codec-glibc': { linkage: 'glibc', sources: ['codec.c'] },
  'codec-musl': { linkage: 'musl', sources: ['codec.c'] },
  'tour-glibc': { linkage: 'glibc', ...TOUR },
  'tour-musl': { linkage: 'musl', ...TOUR },
  'tour-musl-pie': { linkage: 'musl-pie', ...TOUR },
  'address-space-musl': { linkage: 'musl', sources: ['address-space.c'] },
  'signals-glibc': { linkage: 'glibc', sources: ['signals.c'] },
  'signals-musl': { linkage: 'musl', sources: ['signals.c'] },
  'processes-glibc': { linkage: 'glibc', sources: ['processes.c'] },
  'processes-musl': { linkage: 'musl', sources: ['processes.c'] },
  'exec-musl': { linkage: 'musl', sources: ['exec.c'] },
  'threads-musl': { linkage: 'musl', sources: ['threads.c'] },
  'sched-musl': {
    linkage: 'musl',
    sources: ['sched.c'],
    // linux/futex.h, which musl does not bring.
    flags: ['-idirafter', '/usr/include', '-idirafter', '/usr/include/x86_64-linux-gnu'],
  },
  'timers-musl': { linkage: 'musl', sources: ['timers.c'] },
  'descriptors-musl': { linkage: 'musl', sources: ['descriptors.c'] },
  'futexes-musl': { linkage: 'musl', sources: ['futexes.c'] },
  'seccomp-musl': { linkage: 'musl', sources: ['seccomp.c'] },
  'waits-musl': { linkage: 'musl', sources: ['waits.c'] },
  'handles-musl': { linkage: 'musl', sources: ['handles.c'] },
  'sockets-musl': { linkage: 'musl', sources: ['sockets.c'] },
  'watching-musl': { linkage: 'musl', sources: ['watching.c'] },
  'contended-musl': { linkage: 'musl', sources: ['contended.c'] },
  // Only root may make groups: control-groups.test.ts says what it prints.
  'control-groups-musl': { linkage: 'musl', sources: ['control-groups.c'] },
};

interface Stop {
  readonly arguments?: readonly string[];
  readonly env?: readonly string[];
  readonly qemuDiffers?: string;
  readonly counted?: boolean;
}

const NO_VDSO = 'user-mode QEMU 7.2 maps no vDSO and lays the strings out differently';

const VFORK_COPIES = 'user-mode QEMU 7.2 makes a vfork a fork';

/** Stops of the tour by name; see sources/tour.c. */
const STOPS: Readonly<Record<string, Stop>> = {
  args: {
    arguments: ['one', '', 'three words here'],
    env: ['A=1', 'EMPTY=', 'PATH=/bin:/usr/bin'],
    qemuDiffers: 'user-mode QEMU 7.2 reverses the environment',
  },
  auxv: { qemuDiffers: NO_VDSO },
  stack: { arguments: ['x'], env: ['NAME=value'], qemuDiffers: NO_VDSO },
  random: {},
  clock: {},
  'clock-syscall': {},
  break: {},
  map: { qemuDiffers: 'user-mode QEMU 7.2 ignores MAP_FIXED_NOREPLACE' },
  protect: {},
  malloc: { counted: true },
  sort: { arguments: ['pear', 'apple', 'fig', 'orange'], counted: true },
  strings: { counted: true },
  doubles: { counted: true },
  'long-double': { counted: true },
  wide: { counted: true },
  hash: {},
  streams: {},
  errors: {},
  exit: { arguments: ['42'] },
  'exit-now': { arguments: ['255'] },
  'large-output': {},
  'null-read': {},
  'null-write': {},
  'null-call': {},
  'write-text': {},
  'jump-data': {},
  'jump-stack': {},
  'non-canonical': {},
  'kernel-address': {},
  'read-protected': {},
  'misaligned-sse': {},
  undefined: {},
  breakpoint: {},
  'divide-zero': {},
  'divide-overflow': {},
  privileged: {},
  'stack-overflow': {},
};

/** Stops of the position-independent tour: what depends on where the image lies. */
const PIE_STOPS = ['args', 'auxv', 'stack', 'clock', 'write-text', 'jump-data', 'stack-overflow'];

/** All stops, or those in `only`, which are then not counted. */
function tourCases(binary: string, only?: readonly string[]): Record<string, Case> {
  const cases: Record<string, Case> = {};
  for (const [stop, options] of Object.entries(STOPS)) {
    if (only && !only.includes(stop)) continue;
    const { arguments: rest = [], counted = false, ...others } = options;
    const argv = ['tour', stop, ...rest];
    cases[`${binary}/${stop}`] = { binary, argv, ...others, counted: counted && !only };
  }
  return cases;
}

function helloCase(binary: string): Record<string, Case> {
  return { [binary]: { binary, argv: ['hello'], counted: true } };
}

function codecCases(binary: string): Record<string, Case> {
  const jobs = ['sha256', 'base64', 'json', 'deflate'];
  const named = jobs.map((job): [string, Case] => {
    return [`${binary}/${job}`, { binary, argv: ['codec', job], counted: job !== 'base64' }];
  });
  return Object.fromEntries(named);
}

/** A case for each part of a program that takes its name as the argument. */
function partCases(
  binary: string,
  name: string,
  parts: readonly string[],
  more: Partial<Case> = {},
): Record<string, Case> {
  const cases = parts.map((part): [string, Case] => {
    return [`${binary}/${part}`, { binary, argv: [name, part], ...more }];
  });
  return Object.fromEntries(cases);
}

/** Parts of address-space.c. */
const ADDRESS_SPACE = ['protections', 'moves', 'advice', 'locks', 'files', 'limits', 'stack'];

function addressSpaceCases(binary: string): Record<string, Case> {
  const notInQemu = 'its address space is a part of its host process, with other limits and faults';
  return partCases(binary, 'address-space', ADDRESS_SPACE, { notInQemu });
}

const HOST_ANSWERS =
  'user-mode QEMU hands these calls to the kernel that already ran them natively';

/** Every case by name: `BINARY` for a program with one behaviour, `BINARY/STOP` for the tour. */
export const CASES: Readonly<Record<string, Case>> = {
  bare: { binary: 'bare', argv: ['bare'], counted: true },
  ...helloCase('hello-glibc'),
  ...helloCase('hello-glibc-pie'),
  ...helloCase('hello-musl'),
  ...helloCase('hello-musl-pie'),
  ...codecCases('codec-glibc'),
  ...codecCases('codec-musl'),
  'signals-glibc': { binary: 'signals-glibc', argv: ['signals'] },
  'signals-musl': { binary: 'signals-musl', argv: ['signals'] },
  'processes-glibc': { binary: 'processes-glibc', argv: ['processes'], qemuDiffers: VFORK_COPIES },
  'processes-musl': { binary: 'processes-musl', argv: ['processes'], qemuDiffers: VFORK_COPIES },
  ...partCases('threads-musl', 'threads', [
    'mutexes',
    'conditions',
    'barriers',
    'readers',
    'semaphores',
    'locals',
    'cancelled',
    'signalled',
    'crashed',
    'left',
    'priority',
  ]),
  ...partCases('threads-musl', 'threads', ['robust'], {
    notInQemu: 'user-mode QEMU 7.2 keeps no robust list: the lock of a dead thread is never free',
  }),
  ...partCases(
    'sched-musl',
    'sched',
    ['policies', 'nice', 'affinity', 'yield', 'limits', 'futexes', 'requeue', 'bitsets'],
    { notInQemu: 'user-mode QEMU 7.2 has its own scheduler calls and threads' },
  ),
  ...partCases('timers-musl', 'timers', [
    'descriptor',
    'blocking',
    'errors',
    'interval',
    'used',
    'alarms',
    'posix',
    'thread',
  ]),
  ...partCases(
    'descriptors-musl',
    'descriptors',
    [
      ...['pipe-limits', 'broken-pipe', 'stream', 'poll', 'epoll', 'eventfd', 'files', 'exhausted'],
      ...['devices', 'memory-files', 'copies'],
    ],
    { notInQemu: HOST_ANSWERS },
  ),
  ...partCases(
    'futexes-musl',
    'futexes',
    [
      ...['errors', 'processes', 'bitsets', 'requeues', 'inheritance', 'policies', 'nice'],
      'affinity',
    ],
    { notInQemu: HOST_ANSWERS },
  ),
  ...partCases(
    'seccomp-musl',
    'seccomp',
    [
      ...['strict', 'errors', 'privileges', 'answers', 'arguments', 'traps', 'kills'],
      'inheritance',
    ],
    { notInQemu: 'user-mode QEMU 7.2 has no seccomp' },
  ),
  ...partCases(
    'waits-musl',
    'waits',
    [...['errors', 'several', 'interrupted', 'requeue-errors', 'free-lock', 'taken-lock'], 'late'],
    { notInQemu: HOST_ANSWERS },
  ),
  ...partCases(
    'handles-musl',
    'handles',
    [
      ...['signals-queued', 'signals-waited', 'signal-errors', 'signals-epoll', 'processes'],
      ...['process-errors', 'process-clone', 'splicing', 'splice-errors', 'memory-to-pipe'],
      ...['blocked-splice', 'other-memory', 'privileges', 'groups'],
    ],
    { notInQemu: HOST_ANSWERS },
  ),
  ...partCases(
    'sockets-musl',
    'sockets',
    [
      ...['making', 'streams', 'datagrams', 'packets', 'ends', 'shutdowns', 'polling', 'waiting'],
      ...['much', 'broken', 'options'],
    ],
    { notInQemu: HOST_ANSWERS },
  ),
  ...partCases('watching-musl', 'watching', ['files', 'directories', 'watches', 'reading'], {
    notInQemu: HOST_ANSWERS,
  }),
  'exec-musl': {
    binary: 'exec-musl',
    argv: ['exec', 'all'],
    qemuDiffers: 'user-mode QEMU 7.2 does not become another program in a thread',
  },
  ...tourCases('tour-glibc'),
  ...tourCases('tour-musl'),
  ...tourCases('tour-musl-pie', PIE_STOPS),
  ...addressSpaceCases('address-space-musl'),
};

/** The case called `name`; throws when there is none. */
export function caseOf(name: string): Case {
  const found = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
  if (!found) throw new Error(`no case ${name}`);
  return found;
}

const ABOUT_CALLS = ['seccomp', 'waits', 'handles', 'sockets', 'watching'];

/** Whether the case is of a program about one group of system calls. */
export const isAboutCalls = (name: string): boolean =>
  ABOUT_CALLS.some((program) => name.startsWith(`${program}-musl/`));
