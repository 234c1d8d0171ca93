/** Suites that take minutes together, and that few changes concern: `npm run test:long` runs them. */
const LONG_SUITES = [
  'e2e/(backup|blocked-log|cli-behind-nginx|cli-http|cli-import|cli-maintenance|cli-policies|cli-simulate)',
  'e2e/(cli-translate-ratelimit-config|client-package|console-details|console-pictures|dashboard|dotenv|embedded-memory)',
  'e2e/(embedded-quotas|embedded-repetitions|embedded-socket|envoy-recipes|following|import-prune|localhost|named-policies)',
  'e2e/(old-log|pages|pipeline-recipe|ratelimit-migration|recipes|service-monitor|service-package|taken-port)',
  'e2e/(temporary-policies|typed-documents|unloaded-policies)',
  'integration/(bucket-eviction|config-change/stale-workers|envoy/released-sessions|http/import-prune|http/long-reads)',
]

/** @type {import('jest').Config} */
export default {
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns:
    process.env['TEST_LONG'] === undefined ? LONG_SUITES.map(name => `/test/${name}\\.test\\.ts$`) : [],
  testEnvironment: '<rootDir>/test/support/test-environment.ts',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  testTimeout: 240_000,
  testSequencer: '<rootDir>/test/support/test-sequencer.mjs',
  // Most suites wait for processes most of the time.
  maxWorkers: 5,
  // The modules of suites that have ended are not all freed, and collecting a large heap stops a suite for seconds.
  workerIdleMemoryLimit: '768MB',
  extensionsToTreatAsEsm: ['.ts'],
  transformIgnorePatterns: [
    '/node_modules/(?!(?:.*/)?(?:cookie/|content-disposition/|fastify/lib/plugin-utils\\.js$))',
  ],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
    // These two are ESM only, which jest on Node 20 cannot load through `require`.
    'node_modules/(cookie|content-disposition)/.+\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022' }, module: { type: 'commonjs' } },
    ],
    // Fastify looks every plugin up in `require.cache`, to name it after its file. Jest's takes a third of the time of an app's start.
    'node_modules/fastify/lib/plugin-utils\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022', transform: { optimizer: { globals: { vars: { 'require.cache': 'undefined' } } } } } },
    ],
  },
}
