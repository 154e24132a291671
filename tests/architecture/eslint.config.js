// Lint rules. Given to eslint with --config, so that the root stays clean. What a rule is for is
// said where it is not eslint's or typescript-eslint's own recommendation.
import { readFileSync } from 'node:fs';
import tseslint from 'typescript-eslint';

/** Files that are longer than they should be; a test sees to it that they only shrink. */
const { oversizedFiles } = JSON.parse(
  readFileSync(new URL('ratchet.json', import.meta.url), 'utf8'),
);

/** The machine must give the same result on every host and in a browser: no clock, no chance, no host. */
const HOST_GLOBALS = [
  ...['Date', 'performance', 'process', 'Buffer', 'console', 'crypto', 'fetch', 'Intl'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'require', 'globalThis'],
];
const hostGlobalRule = HOST_GLOBALS.map((name) => ({
  name,
  message: 'The machine knows no host: time and chance are passed in (design: determinism).',
}));

const LIMITS = {
  'max-lines': ['error', { max: 500 }],
  'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
};

const typescriptRules = {
  ...LIMITS,
  eqeqeq: 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  // A generator marks a function that may sleep, whether or not this one does.
  'require-yield': 'off',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/restrict-template-expressions': [
    'error',
    { allowNumber: true, allowBoolean: true },
  ],
  '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
  '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
  // Machine state is numbers in typed arrays, compared with const enums everywhere.
  '@typescript-eslint/no-unsafe-enum-comparison': 'off',
  '@typescript-eslint/no-unsafe-enum-assignment': 'off',
  // Layouts are sums of earlier members; const enums compute them at compile time.
  '@typescript-eslint/prefer-literal-enum-member': 'off',
  // Two regions of different sizes may well share a number.
  '@typescript-eslint/no-duplicate-enum-values': 'off',
  // A type parameter that only names the result is how untyped wasm exports get their type.
  '@typescript-eslint/no-unnecessary-type-parameters': 'off',
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
  ],
};

export default tseslint.config(
  {
    ignores: [
      'dist/**',
      'node_modules/**',
      'runs/**',
      'docs/api/**',
      'machine/hardware/assembly/**',
      'machine/hardware/generated/**',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: process.cwd() } },
    rules: typescriptRules,
  },
  {
    files: ['machine/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...hostGlobalRule],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Use the seeded random of machine/core.' },
      ],
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*'], message: 'The machine must also run in a browser.' }] },
      ],
    },
  },
  { files: ['**/*.d.ts'], rules: { '@typescript-eslint/no-extraneous-class': 'off' } },
  {
    // Outside lab/ an index is taken to be in range (typed arrays), so the rule would have guards
    // of real gaps removed.
    files: ['machine/**/*.ts', 'workloads/**/*.ts', 'tests/**/*.ts'],
    rules: { '@typescript-eslint/no-unnecessary-condition': 'off' },
  },
  ...Object.keys(oversizedFiles).map((file) => ({ files: [file], rules: { 'max-lines': 'off' } })),
  { files: ['**/generated/**'], rules: { 'max-lines': 'off', 'max-lines-per-function': 'off' } },
  {
    // A `describe` block is a list of tests, not a function that does too much.
    files: ['tests/**/*.ts'],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.recommended],
    rules: { ...LIMITS, '@typescript-eslint/no-require-imports': 'off' },
  },
);
