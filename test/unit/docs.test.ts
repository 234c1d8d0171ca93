import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { EnvSchema } from '../../src/env.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const readme = read('README.md')
const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'] as const

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
    for (const path of links) expect(() => read(path)).not.toThrow()
  })
})
