/** The rules of the tree; ARCHITECTURE.md gives the reason of each. */
const FLOWS = 'check|config-change|insight'
const TECHNOLOGIES = 'redis|queues|embedded|processes|connections|tracing'
const HTTP = '^src/http/|^src/check/http/|^src/config-change/http/|^src/insight/http/|^src/front/'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-cycles-of-folders',
      severity: 'error',
      scope: 'folder',
      from: { path: '^(src|workers)' },
      to: { circular: true },
    },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: ['\\.d\\.ts$'] }, to: {} },
    {
      name: 'entry-points-only-in-the-root',
      comment: 'Everything but an entry point belongs to a folder of its subject.',
      severity: 'error',
      from: { path: '^src/(?!(main|cluster|server|cli)\\.ts$)[^/]+\\.ts$' },
      to: {},
    },
    {
      name: 'nothing-imports-an-entry-point',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+\\.ts$' },
    },
    {
      name: 'domain-is-pure',
      comment: 'The domain imports nothing but itself and the library of calendars: no I/O, no clock.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/|^node_modules/temporal-polyfill/' },
    },
    {
      name: 'lib-knows-nothing-of-the-service',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/', pathNot: '^src/lib/' },
    },
    {
      name: 'only-http-folders-know-fastify',
      comment: 'The core of a flow knows no protocol, so that another one can be added next to HTTP.',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: HTTP },
      to: { path: '^node_modules/(fastify|@fastify)/' },
    },
    {
      name: 'only-routes-use-the-http-toolbox',
      comment: 'The JSON of the HTTP API is also what the command line prints.',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: HTTP },
      to: { path: HTTP, pathNot: '^src/front/|-json\\.ts$' },
    },
    {
      name: 'flows-know-no-technology',
      comment:
        'A flow imports the domain, small helpers and its own files. Its ports say what it needs of a technology.',
      severity: 'error',
      from: { path: `^src/(${FLOWS})/` },
      to: { path: `^src/(${TECHNOLOGIES})/|^node_modules/(ioredis|bullmq|prom-client)/` },
    },
    {
      name: 'flows-do-not-know-each-other',
      severity: 'error',
      from: { path: `^src/(${FLOWS})/` },
      to: { path: `^src/(${FLOWS})/`, pathNot: '^src/$1/' },
    },
    {
      name: 'only-the-composition-joins-adapters-to-ports',
      comment: 'Technologies implement the ports of the flows; they call nothing else of them.',
      severity: 'error',
      from: { path: `^src/(${TECHNOLOGIES}|http|access|settings|observability)/` },
      to: { path: `^src/(${FLOWS}|front)/`, pathNot: '/(ports|log-ports|damaged-store)\\.ts$' },
    },
    {
      name: 'simulation-needs-no-store',
      severity: 'error',
      from: { path: '^src/simulation/' },
      to: { path: '^src/', pathNot: '^src/(simulation|domain|lib)/' },
    },
    {
      name: 'the-console-knows-only-the-http-api',
      severity: 'error',
      from: { path: '^console/' },
      to: { pathNot: '^console/|^node_modules/(preact|uplot)/' },
    },
    {
      name: 'the-service-never-imports-the-console',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { path: '^console/' },
    },
    {
      name: 'src-never-imports-workers',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^workers/' },
    },
    {
      name: 'nothing-imports-tests-or-bench',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'libraries-are-dependencies',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'everything-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.json'],
    },
  },
}
