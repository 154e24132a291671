// Who may import whom (ARCHITECTURE.md has the picture). Downward only, no cycles.
// A rule names what a folder may import; everything else is forbidden.

const ONLY_PACKAGE_OF_THE_MACHINE = 'node_modules/iced-x86/';
const UAPI = '^machine/linux/include/uapi/';
/** What any part of the lab may throw, and how it lays out text. */
const BASICS = '^lab/cli/(errors|output)\\.ts$';
/** Tables of names that the lab shows: tracepoints, system calls, kernel words. */
const TRACE_TABLES = '^machine/linux/(trace/specs\\.ts|include/uapi/)';

/** Forbids `from` to import project files other than those that match one of `allowed`. */
const mayImport = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: 'error',
  from: typeof from === 'string' ? { path: from } : from,
  to: { path: '^(lab|machine|workloads|tests|notebooks|datasets)/', pathNot: allowed },
});

/** Lets types through: what a run is, is described where runs are made. */
const butTypes = (rule) => ({ ...rule, to: { ...rule.to, dependencyTypesNot: ['type-only'] } });

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'Files that need each other are one file, or need a third below both. (Types may refer to each other: a task has an address space that has an owner.)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'declared-dependencies',
      comment: 'Only packages of package.json; what users run needs no devDependency.',
      severity: 'error',
      from: { path: '^(lab|machine|workloads)/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-optional', 'npm-peer'],
        dependencyTypesNot: ['type-only'],
      },
    },

    mayImport('core', 'core imports nothing.', '^machine/core/', ['^machine/core/']),
    mayImport('hardware', 'hardware -> core (and the types of a board).', '^machine/hardware/', [
      '^machine/(hardware|core)/',
      '^machine/board/board\\.ts$',
    ]),
    mayImport(
      'linux',
      'linux -> core (and the types of a board); hardware only through machine/linux/arch.',
      { path: '^machine/linux/', pathNot: '^machine/linux/arch/' },
      ['^machine/(linux|core)/', '^machine/board/board\\.ts$'],
    ),
    mayImport('linux-arch', 'linux/arch -> linux, hardware, core.', '^machine/linux/arch/', [
      '^machine/(linux|hardware|core)/',
      '^machine/board/board\\.ts$',
    ]),
    mayImport('uapi', 'uapi is shared with guests: it imports nothing else.', UAPI, [UAPI]),
    mayImport(
      'board-types',
      'board.ts describes what a board is; everyone may import it, so it imports nothing.',
      '^machine/board/board\\.ts$',
      ['^$'],
    ),
    mayImport('board', 'board -> linux, hardware, core.', '^machine/board/', ['^machine/']),
    {
      name: 'machine-no-node',
      comment: 'The machine must also run in a browser.',
      severity: 'error',
      from: { path: '^machine/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'machine-no-package',
      comment: 'No package but the decoder.',
      severity: 'error',
      from: { path: '^machine/' },
      to: { path: 'node_modules/', pathNot: ONLY_PACKAGE_OF_THE_MACHINE },
    },
    {
      name: 'decoder-behind-one-module',
      comment:
        'iced-x86 is seen by the decoder and the assembler only (and by tests, as an oracle).',
      severity: 'error',
      from: {
        path: '^(lab|machine|workloads)/',
        pathNot: '^machine/hardware/cpu/(decode|assembler)\\.ts$',
      },
      to: { path: ONLY_PACKAGE_OF_THE_MACHINE },
    },

    mayImport(
      'workloads',
      'workloads -> workloads/lib, and the uapi headers as any program has them.',
      { path: '^workloads/', pathNot: '^workloads/lib/' },
      ['^workloads/', UAPI],
    ),
    mayImport(
      'workloads-lib',
      'workloads/lib -> the uapi headers, the assembler and the ELF writer.',
      '^workloads/lib/',
      [
        '^workloads/lib/',
        UAPI,
        '^machine/hardware/cpu/assembler\\.ts$',
        '^machine/core/elf(/|\\.ts$)',
      ],
    ),

    mayImport(
      'lab',
      'lab -> machine/board, core tables, tracepoint tables, workloads; never the inside of the machine.',
      '^lab/',
      ['^lab/', '^workloads/', '^machine/(board|core)/', TRACE_TABLES],
    ),
    mayImport(
      'recording',
      'recording -> core tables: it writes and reads columns, whatever fills them.',
      '^lab/recording/',
      ['^lab/recording/', '^machine/core/', TRACE_TABLES, BASICS],
    ),
    butTypes(
      mayImport(
        'readers-of-runs',
        'query, compare, report and export read recordings, never the running machine.',
        '^lab/(query|compare|report|export)/',
        ['^lab/(query|compare|report|export|recording)/', '^machine/core/', TRACE_TABLES, BASICS],
      ),
    ),
    {
      name: 'cli-on-top',
      comment: 'Nothing below the command line imports it.',
      severity: 'error',
      from: { path: '^(lab|machine|workloads)/', pathNot: '^lab/(cli/|main\\.ts$)' },
      to: { path: '^lab/cli/', pathNot: BASICS },
    },
    {
      name: 'not-to-tests',
      severity: 'error',
      from: { path: '^(lab|machine|workloads)/' },
      to: { path: '^(tests|notebooks)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Compiled by AssemblyScript, which resolves its own imports; generated code imports nothing.
    exclude: { path: '^machine/hardware/(assembly|generated)/|^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node'] },
  },
};
