/** The rules of the tree; ARCHITECTURE.md says why each is there. */
const FLOWS = 'check|config-change'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, pathNot: ['\\.d\\.ts$'] }, to: {} },
    {
      name: 'domain-is-pure',
      comment: 'The domain imports nothing but itself: no I/O, no clock, no library.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/' },
    },
    {
      name: 'flows-know-no-technology',
      comment: 'A flow imports the domain, the catalogues at the root, its own files and the HTTP toolbox.',
      severity: 'error',
      from: { path: `^src/(${FLOWS})/` },
      to: { path: '^src/(redis|queues|embedded|processes)/' },
    },
    {
      name: 'flows-do-not-know-each-other',
      severity: 'error',
      from: { path: `^src/(${FLOWS})/` },
      to: { path: `^src/(${FLOWS})/`, pathNot: '^src/$1/' },
    },
    {
      name: 'only-the-composition-roots-join-adapters-to-ports',
      comment: 'Technologies implement the ports of the flows; they call nothing else of them.',
      severity: 'error',
      from: { path: '^src/(redis|queues|embedded|processes|http)/' },
      to: { path: `^src/(${FLOWS})/`, pathNot: '/ports\\.ts$' },
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
