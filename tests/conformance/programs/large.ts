/**
 * Programs whose binaries are too large for the repository: libraries and tools of Debian around our
 * own drivers. Their sources, commands and native outcomes are here; `build-large.ts` makes the
 * binaries in a directory of the maintainer's choice.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { FIXTURES } from './fixtures.ts';
import type { Fixture, Golden } from './fixtures.ts';
import type { BinaryRecipe, Case } from './programs.ts';

export const LARGE_GOLDENS = join(FIXTURES, 'large-goldens.json');

/** Needs zlib1g-dev, liblua5.4-dev, libsqlite3-dev and g++. `busybox` is Debian's busybox-static. */
export const LARGE_BINARIES: Readonly<Record<string, BinaryRecipe>> = {
  zlib: { linkage: 'glibc', sources: ['large/deflate-zlib.c'], libraries: ['-lz'] },
  lua: {
    linkage: 'glibc',
    sources: ['large/script-lua.c'],
    flags: ['-I/usr/include/lua5.4'],
    libraries: ['-llua5.4'],
  },
  sqlite: { linkage: 'glibc', sources: ['large/query-sqlite.c'], libraries: ['-lsqlite3'] },
  cxx: { linkage: 'glibc', sources: ['large/threads-cxx.cc'] },
};

const COUNT = 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo $i';
const WORDS =
  'BEGIN { n = split("a b c d", w); for (i = n; i; i--) printf "%s ", w[i]; print n / 3 }';

/** Commands that need no file but the program itself. */
const BUSYBOX: Readonly<Record<string, readonly string[]>> = {
  echo: ['echo', '-e', 'one\\ttwo'],
  expr: ['expr', '6', '*', '7'],
  seq: ['seq', '-w', '1', '3', '20'],
  printf: ['printf', '%05d|%-6s|%.3f|%x\\n', '42', 'abc', '2.5', '255'],
  factor: ['factor', '1234567890', '97', '1000003'],
  basename: ['basename', '/a/b/c.txt', '.txt'],
  cal: ['cal', '2', '2024'],
  false: ['false'],
  loop: ['sh', '-c', COUNT],
  pipe: ['sh', '-c', 'echo "b a c" | tr " " "\\n" | sort | head -n 2'],
  awk: ['awk', WORDS],
  status: ['sh', '-c', 'true && exit 3'],
};

export const LARGE_CASES: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    Object.keys(LARGE_BINARIES).map((binary): [string, Case] => [
      binary,
      { binary, argv: [binary] },
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(BUSYBOX).map(([name, rest]): [string, Case] => {
      return [`busybox/${name}`, { binary: 'busybox', argv: ['busybox', ...rest] }];
    }),
  ),
};

/**
 * A case whose binary build-large.ts left in `directory`. Throws when it is not there.
 * @public for maintainers who run the large programs by hand
 */
export function loadLargeFixture(name: string, directory: string): Fixture {
  const goldens = JSON.parse(readFileSync(LARGE_GOLDENS, 'utf8')) as Record<string, Golden>;
  const options = Object.hasOwn(LARGE_CASES, name) ? LARGE_CASES[name] : undefined;
  const golden = Object.hasOwn(goldens, name) ? goldens[name] : undefined;
  if (!options || !golden) throw new Error(`no large case ${name}`);
  const { binary, argv, env = [] } = options;
  const elf = new Uint8Array(readFileSync(join(directory, binary)));
  return { name, binary, elf, argv, env, ...golden };
}
