import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { EnvSchema } from '../../src/env.schema.ts'
import { ERRORS } from '../../src/errors.ts'
import { FrontMetrics } from '../../src/metrics.ts'
import { WorkerMetrics } from '../../workers/worker-metrics.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const readme = read('README.md')
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs/errors.md',
  'docs/security.md',
  'docs/observability.md',
] as const

describe('the documents', () => {
  it('list every variable with its default', () => {
    const rows = Object.entries(EnvSchema.properties).map(([name, schema]) => {
      const byDefault = schema['default'] === undefined ? '–' : `\`${schema['default']}\``
      return `| \`${name}\` | ${name === 'WEB_CONCURRENCY' ? 'cores' : byDefault} | ${schema.description} |`
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

  it('explain every code, with its status', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` +\| (\d+) +\| \S.*? \| \S.*? \|$/gm)]
    const documented = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))
    const statuses = Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))
    expect(documented).toEqual(statuses)
  })

  it('explain every metric, with its labels', async () => {
    const front = new FrontMetrics({ policies: () => 0, circuitState: () => 0, queueJobs: async () => ({}) })
    const texts = [await front.registry.metrics(), await new WorkerMetrics().text()].join('\n')
    const named = [...texts.matchAll(/^# TYPE (throttler_\S+)/gm)].map(([, name]) => name)
    const documented = [...read('docs/observability.md').matchAll(/^\| `(throttler_[a-z_]+)/gm)].map(([, name]) => name)
    expect(documented.toSorted()).toEqual([...named, 'throttler_front_processes'].toSorted())
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
