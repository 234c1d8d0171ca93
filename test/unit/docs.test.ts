import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import type { TSchema } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import { PolicyRequest, toRequestedPolicy } from '../../src/config-change/policy.schema.ts'
import { callerKeyFault, configKeyFault } from '../../src/domain/key.ts'
import { FrontMetrics } from '../../src/front/front-metrics.ts'
import { ERRORS } from '../../src/lib/errors.ts'
import { PrimaryMetrics } from '../../src/processes/primary-metrics.ts'
import { EnvSchema, FILE_VARIABLES } from '../../src/settings/env.schema.ts'
import { WorkerMetrics } from '../../workers/worker-metrics.ts'
import { blocksUnder } from '../support/documents.ts'
import { NO_GAUGES } from '../support/no-gauges.ts'

const ROOT = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8')
const sources = ['src', 'workers', 'test'].flatMap(folder =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => /\.(?:ts|lua)$/.test(path))
    .map(path => `${folder}/${path}`),
)
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'clients/typescript/README.md'],
  ...readdirSync(new URL('docs', ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.md'))
    .map(path => `docs/${path}`),
]

/** Documents for newcomers stay short; details go to `docs`. */
const MAX_WORDS: Readonly<Record<string, number>> = { 'README.md': 2_100, 'ARCHITECTURE.md': 3_500 }

const wordsIn = (text: string) => text.split(/\s+/).filter(word => word !== '').length

/** The allowed values that `docs/settings.md` must state, if the schema defines them exactly. */
const allowedBy = ({ type, minimum, maximum, enum: choices }: TSchema): string | undefined => {
  if (type === 'integer') return `${minimum} to ${maximum}`
  return choices?.map((choice: string) => `\`${choice}\``).join(', ')
}

/** The anchor of a heading in links. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

describe('the documents', () => {
  it.each(Object.entries(MAX_WORDS))('%s has at most %i words', (document, words) => {
    expect(wordsIn(read(document))).toBeLessThanOrEqual(words)
  })

  it('say which Compose docker-compose.yml needs: version 1 refuses its `name`', () => {
    expect(read('docker-compose.yml')).toMatch(/^name: /m)
    for (const document of ['README.md', 'docs/operations.md']) expect(read(document)).toContain('Compose 2')
    expect(read('README.md')).not.toContain('docker-compose 1')
  })

  it('list every setting with its default and its allowed values', () => {
    const rows = [...read('docs/settings.md').matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (.+?) \| (.+?) \|$/gm)]
    const listed = rows.map(([, name = '', byDefault, allowed]) => ({ name, byDefault, allowed }))
    const settings = Object.entries<TSchema>(EnvSchema.properties).map(([name, schema]) => {
      const byDefault = schema['default'] === undefined ? '–' : `\`${schema['default']}\``
      return {
        name,
        byDefault: name === 'WEB_CONCURRENCY' ? 'number of cores' : byDefault,
        allowed: allowedBy(schema) ?? expect.any(String),
      }
    })
    expect(listed).toEqual(settings)
  })

  it('name every setting that can be read from a file', () => {
    const [, section = ''] = read('docs/settings.md').split('## Secrets in files')
    const [named = ''] = section.split('can be in a file')
    expect([...named.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)).toEqual(FILE_VARIABLES)
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

  it('list every command of the command line', () => {
    const [table = ''] = read('docs/cli.md').split('| exit code')
    const listed = [...table.matchAll(/^\| `([a-z-]+)/gm)].map(([, name]) => name)
    const files = sources.flatMap(path => /([a-z-]+)\.command\.ts$/.exec(path)?.[1] ?? [])
    const names = files.flatMap(name => (name === 'service' ? ['start', 'api', 'worker'] : [name]))
    expect(listed.toSorted()).toEqual(names.toSorted())
  })

  it('name only files of the tree that exist', () => {
    const named = [...read('ARCHITECTURE.md').matchAll(/`((?:[a-z-]+\/)*[a-z][a-z.-]*\.(?:ts|lua))`/g)].map(
      ([, path = '']) => path,
    )
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter(path => !sources.some(source => `/${source}`.endsWith(`/${path}`)))).toEqual([])
  })

  it.each([
    ['README.md', '## Use'],
    ['docs/api.md', '## Policies'],
  ])('%s shows a policy that can be stored', (document, heading) => {
    const [block = ''] = blocksUnder(document, heading, 'json')
    const policy: unknown = JSON.parse(block)
    expect(new Ajv().validate(PolicyRequest, policy)).toBe(true)
    expect(toRequestedPolicy(policy as PolicyRequest)).toEqual(policy)
  })

  it('list only log messages that the code contains', () => {
    const [, logs = ''] = read('docs/observability.md').split('## ')
    const cells = [...logs.matchAll(/^\| (.*?) +\| (?:debug|info|warn|error)/gm)].map(([, cell = '']) => cell)
    const named = cells.flatMap(cell => [...cell.matchAll(/`([^`…]+)`/g)].map(([, message = '']) => message))
    expect(named.length).toBeGreaterThan(10)
    const texts = sources.filter(source => !source.startsWith('test/')).map(read)
    expect(named.filter(message => message !== 'code' && !texts.some(text => text.includes(`'${message}'`)))).toEqual(
      [],
    )
  })

  it.each(['docs/alerts.md', 'docs/consistency.md', 'docs/operations.md'])(
    '%s quotes only log lines that the code contains',
    document => {
      // Four or more words without options and paths are a log line; no command looks like that.
      const quoted = [...read(document).matchAll(/`([a-z]+(?:[:,]?\s[a-z]+){3,})`/g)]
      const lines = quoted.map(([, line = '']) => line.replace(/\s+/g, ' '))
      const texts = sources.filter(source => !source.startsWith('test/')).map(read)
      expect(lines.length).toBeGreaterThan(0)
      expect(lines.filter(line => !texts.some(text => text.includes(line)))).toEqual([])
    },
  )

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

  it('name only documented metrics in alert rules and in docs/alerts.md', () => {
    const named = (path: string) => [...read(path).matchAll(/\bthrottler_[a-z_]+/g)].map(([name]) => name)
    const known = new Set(named('docs/observability.md'))
    const withoutSuffix = (name: string) => name.replace(/_(bucket|sum|count)$/, '')
    const unknown = (path: string) => named(path).filter(name => !known.has(withoutSuffix(name)))
    expect([...unknown('deploy/prometheus/rules.yml'), ...unknown('docs/alerts.md')]).toEqual([])
  })

  it('explain every error code, with its status', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` +\| (\d+) +\| \S.*? \| \S.*? \|$/gm)]
    const documented = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))
    const statuses = Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))
    expect(documented).toEqual(statuses)
  })

  it('name every reserved key, of policies and of callers', () => {
    const [, cause = ''] = /^\| `key-reserved` \| 400 \| (.*?) \|/m.exec(read('docs/errors.md')) ?? []
    const named = [...cause.matchAll(/`([^`]+)`/g)].map(([, key = '']) => key)
    expect(named.map(key => [key, configKeyFault(key)?.code, callerKeyFault(key)?.code])).toEqual([
      ['export', 'key-reserved', undefined],
      ['import', 'key-reserved', undefined],
      ['default', 'key-reserved', undefined],
      ['rls;', 'key-invalid', 'key-reserved'],
    ])
  })

  it('explain every metric, with its labels', async () => {
    const front = new FrontMetrics(NO_GAUGES)
    const primary = new PrimaryMetrics([], [])
    const texts = [
      await front.registry.metrics(),
      await primary.registry.metrics(),
      await new WorkerMetrics().text(),
    ].join('\n')
    // The primary and a front process can count the same.
    const named = new Set([...texts.matchAll(/^# TYPE (throttler_\S+)/gm)].map(([, name]) => name))
    const documented = [...read('docs/observability.md').matchAll(/^\| `(throttler_[a-z_]+)/gm)].map(([, name]) => name)
    expect(documented.toSorted()).toEqual([...named].toSorted())
  })

  it('name every route', () => {
    const { paths } = JSON.parse(read('docs/openapi.json')) as { paths: Record<string, Record<string, unknown>> }
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
    )
    const [, calls = ''] = read('docs/api.md').split('## Calls')
    const [table = ''] = calls.split('\n## ')
    expect(routes.filter(route => !table.includes(`\`${route}`))).toEqual([])
  })
})
