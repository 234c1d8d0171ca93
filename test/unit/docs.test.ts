import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { Ajv } from 'ajv'
import { PolicyRequest, toPolicyDefinition } from '../../src/config-change/policy.schema.ts'
import { FrontMetrics } from '../../src/front/front-metrics.ts'
import { ERRORS } from '../../src/lib/errors.ts'
import { PrimaryMetrics } from '../../src/processes/primary-metrics.ts'
import { EnvSchema, exampleOf } from '../../src/settings/env.schema.ts'
import { WorkerMetrics } from '../../workers/worker-metrics.ts'

const ROOT = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const sources = ['src', 'workers', 'test'].flatMap(folder =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => /\.(?:ts|lua)$/.test(path))
    .map(path => `${folder}/${path}`),
)
const readme = read('README.md')
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs/benchmarks.md',
  'docs/consistency.md',
  'docs/errors.md',
  'docs/observability.md',
  'docs/operations.md',
  'docs/recipes/express.md',
  'docs/recipes/fastify.md',
  'docs/recipes/haproxy.md',
  'docs/recipes/nginx.md',
  'docs/scaling.md',
  'docs/security.md',
  'clients/typescript/README.md',
  'docs/alerts.md',
] as const

/** As the heading is linked to. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

describe('the documents', () => {
  it('list every variable with its default', () => {
    const rows = Object.entries(EnvSchema.properties).map(([name, schema]) => {
      const byDefault = schema['default'] === undefined ? '–' : `\`${schema['default']}\``
      const example = exampleOf(schema)
      const meaning = example === undefined ? schema.description : `${schema.description} Example: \`${example}\``
      return `| \`${name}\` | ${name === 'WEB_CONCURRENCY' ? 'cores' : byDefault} | ${meaning} |`
    })
    const section = readme.slice(readme.indexOf('## Settings'), readme.indexOf('## More'))
    const listed = section.split('\n').filter(line => line.startsWith('| `'))
    expect(listed.map(line => line.replace(/ +/g, ' '))).toEqual(rows)
  })

  it.each(documents)('%s names only commands that exist', document => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...read(document).matchAll(/npm run (?:-s )?([a-z:-]+)/g)].map(([, name = '']) => name)
    expect(named.filter(name => scripts[name] === undefined)).toEqual([])
  })

  it.each(documents)('%s links only to files that exist', document => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path = '']) => path)
    const folder = document.slice(0, document.lastIndexOf('/') + 1)
    for (const path of links) expect(() => read(folder + path)).not.toThrow()
  })

  it('name only files of the tree that exist', () => {
    const named = [...read('ARCHITECTURE.md').matchAll(/`((?:[a-z-]+\/)*[a-z][a-z.-]*\.(?:ts|lua))`/g)].map(
      ([, path = '']) => path,
    )
    expect(named.length).toBeGreaterThan(60)
    expect(named.filter(path => !sources.some(source => `/${source}`.endsWith(`/${path}`)))).toEqual([])
  })

  it('show a policy that can be stored', () => {
    const policy: unknown = JSON.parse(/```json\n([\s\S]*?)```/.exec(readme)?.[1] ?? '')
    expect(new Ajv().validate(PolicyRequest, policy)).toBe(true)
    expect(toPolicyDefinition(policy as PolicyRequest)).toEqual(policy)
  })

  it('know lines of the log by what they say', () => {
    const [, logs = ''] = read('docs/observability.md').split('## ')
    const cells = [...logs.matchAll(/^\| (.*?) +\| (?:debug|info|warn|error)/gm)].map(([, cell = '']) => cell)
    const named = cells.flatMap(cell => [...cell.matchAll(/`([^`…]+)`/g)].map(([, message = '']) => message))
    expect(named.length).toBeGreaterThan(10)
    const texts = sources.filter(source => !source.startsWith('test/')).map(read)
    expect(named.filter(message => message !== 'code' && !texts.some(text => text.includes(`'${message}'`)))).toEqual(
      [],
    )
  })

  it.each(documents)('%s links only to headings that exist', document => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)]
    const folder = document.slice(0, document.lastIndexOf('/') + 1)
    const missing = links.filter(([, path, anchor]) => {
      const headings = read(path ? folder + path : document).matchAll(/^#+ (.+)$/gm)
      return ![...headings].map(([, heading = '']) => anchorOf(heading)).includes(anchor ?? '')
    })
    expect(missing.map(([link]) => link)).toEqual([])
  })

  it('explain every alert, under a heading of its own', () => {
    const alerts = [...read('deploy/prometheus/rules.yml').matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name)
    const sections = read('docs/alerts.md').split(/^### /m).slice(1)
    expect(sections.map(section => section.split('\n')[0]).toSorted()).toEqual(alerts.toSorted())
    for (const section of sections) expect(section).toMatch(/\*\*Means\*\*[\s\S]*\*\*Look\*\*[\s\S]*\*\*[Dd]o\*\*/)
  })

  it('name only metrics that there are, where alerts are made of them', () => {
    const named = (path: string) => [...read(path).matchAll(/\bthrottler_[a-z_]+/g)].map(([name]) => name)
    const known = new Set(named('docs/observability.md'))
    const withoutSuffix = (name: string) => name.replace(/_(bucket|sum|count)$/, '')
    const unknown = (path: string) => named(path).filter(name => !known.has(withoutSuffix(name)))
    expect([...unknown('deploy/prometheus/rules.yml'), ...unknown('docs/alerts.md')]).toEqual([])
  })

  it('explain every code, with its status', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` +\| (\d+) +\| \S.*? \| \S.*? \|$/gm)]
    const documented = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))
    const statuses = Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))
    expect(documented).toEqual(statuses)
  })

  it('explain every metric, with its labels', async () => {
    const front = new FrontMetrics({ policies: () => 0, circuitState: () => 0, queueJobs: async () => ({}) })
    const primary = new PrimaryMetrics([], [])
    const texts = [
      await front.registry.metrics(),
      await primary.registry.metrics(),
      await new WorkerMetrics().text(),
    ].join('\n')
    const named = [...texts.matchAll(/^# TYPE (throttler_\S+)/gm)].map(([, name]) => name)
    const documented = [...read('docs/observability.md').matchAll(/^\| `(throttler_[a-z_]+)/gm)].map(([, name]) => name)
    expect(documented.toSorted()).toEqual(named.toSorted())
  })

  it('name every route', () => {
    const { paths } = JSON.parse(read('docs/openapi.json')) as { paths: Record<string, Record<string, unknown>> }
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
    )
    const table = readme.slice(readme.indexOf('## Use'), readme.indexOf('A **policy**'))
    expect(routes.filter(route => !table.includes(`\`${route}`))).toEqual([])
  })
})
