import { readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { COMMANDS } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { run } from '../support/client-package.ts'
import { Service } from '../support/service.ts'
import { ServicePackage } from '../support/service-package.ts'

describe('the package of the service, in an empty directory', () => {
  let installed: ServicePackage
  beforeAll(async () => {
    installed = await ServicePackage.install()
  })
  afterAll(() => installed?.remove())

  const throttler = (...args: string[]) => run(installed.directory, 'npx', ['--no', '--', 'throttler', ...args])

  it('contains the code that runs and its documents, but no sources, tests or source maps', () => {
    const { files } = installed
    for (const path of ['dist/src/cli.js', 'dist/src/redis/lua/check.lua', 'docs/openapi.json', 'README.md', 'LICENSE'])
      expect(files).toContain(path)
    expect(
      files.filter(path => /\.(ts|map)$|^(src|test|workers|bench|scripts|dist\/(bench|test))\//.test(path)),
    ).toEqual([])
    expect(files.length).toBeLessThan(250)
  })

  it('has every module that its code imports', async () => {
    const code = installed.files.filter(path => /^dist\/.*\.js$/.test(path))
    const imported = await Promise.all(
      code.map(async path => {
        const text = await readFile(join(installed.root, path), 'utf8')
        return [...text.matchAll(/\b(?:from|import) ?\(?"(\.[^"]*)"/g)].map(([, name = '']) =>
          normalize(join(dirname(path), name)),
        )
      }),
    )
    const modules = new Set(imported.flat())
    expect(modules.size).toBeGreaterThan(5)
    expect([...modules].filter(path => !code.includes(path))).toEqual([])
  })

  it('has every file that its documents link to', async () => {
    const documents = installed.files.filter(path => path.endsWith('.md'))
    const links = await Promise.all(
      documents.map(async path => {
        const text = await readFile(join(installed.root, path), 'utf8')
        return [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) =>
          normalize(join(dirname(path), link)),
        )
      }),
    )
    const linked = new Set(links.flat())
    expect(linked.size).toBeGreaterThan(15)
    expect([...linked].filter(path => !installed.files.includes(path))).toEqual([])
  })

  it('describes each command', async () => {
    const help = (...args: string[]) => run(installed.directory, 'node_modules/.bin/throttler', [...args, '--help'])
    const usage = await help()
    for (const command of COMMANDS) {
      expect(usage).toContain(`\n  ${command} `)
      expect(await help(command)).toMatch(new RegExp(`^throttler ${command}`))
    }
    expect(await help('start')).toMatch(/^ {2}PORT {24}.*Default: 8080$/m)
  })

  it('runs the whole service on the embedded store, with its pages', async () => {
    const service = await Service.start({ root: installed.root, env: { WEB_CONCURRENCY: '1' } })
    try {
      const client = new Client(service.url)
      expect((await client.put('user:*', { capacity: 1, refillTokens: 1, refillIntervalMs: 60_000 })).status).toBe(201)
      expect([(await client.check('user:1')).status, (await client.check('user:1')).status]).toEqual([200, 429])
      expect(JSON.parse(await throttler('get', 'user:*', '--url', service.url))).toMatchObject({ version: 1 })
      const { openapi, externalDocs } = (await client.get('/openapi.json')).body
      expect([openapi, (await client.get(externalDocs.url)).status]).toEqual(['3.1.0', 200])
      const page = await fetch(`${service.url}/docs`)
      const html = await page.text()
      expect([page.status, html]).toEqual([200, expect.stringContaining('swagger-ui')])
      const assets = [...html.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, path = '']) => new URL(path, page.url))
      expect(assets.length).toBeGreaterThan(3)
      for (const asset of assets) expect([asset.pathname, (await fetch(asset)).status]).toEqual([asset.pathname, 200])
    } finally {
      await service.stop()
    }
  })
})
