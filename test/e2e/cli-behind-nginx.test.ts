import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { runThrottlerPatiently } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { blocksUnder } from '../support/documents.ts'
import { NginxProxy } from '../support/nginx-proxy.ts'
import { describeWithNginx } from '../support/proxies.ts'
import { replaceAll } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

const POLICY = '{"capacity":1,"refillTokens":1}'
const [WITHOUT_PATH = '', MAP = '', UNDER_PATH = ''] = blocksUnder('docs/cli.md', '### Behind a proxy', 'nginx')

/** Keys in which a proxy could change something, and one in which none can. */
const KEYS = ['tmp/../user:*', '/a//b\\c?d#e%2F f;é', 'plain:1']

let service: Service
beforeAll(async () => {
  service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
})
afterAll(() => service.stop())

interface Configuration {
  readonly path: string
  readonly location: string
  readonly http?: string
}

/** Runs commands through an nginx with this configuration. */
function givenNginx({ path, location, http = '' }: Configuration) {
  let proxy: NginxProxy
  beforeAll(async () => {
    const address = { 'http://127.0.0.1:8080': service.url }
    proxy = await NginxProxy.start({ http, location: replaceAll(location, address) })
  })
  afterAll(() => proxy?.stop())
  return (...args: readonly string[]) => runThrottlerPatiently([...args, '--url', `${proxy.url}${path}`])
}

describeWithNginx('throttler --url behind an nginx', () => {
  describe.each([
    ['under a host name of its own', { path: '', location: WITHOUT_PATH }],
    ['under a path', { path: '/rl', location: UNDER_PATH, http: MAP }],
  ])('as documented, %s', (_, configuration) => {
    const run = givenNginx(configuration)

    it.each(KEYS)('works with the key %j', async key => {
      const results = []
      for (const args of [
        ['set', key, POLICY],
        ['get', key],
        ['set', key, POLICY, '--dry-run'],
        ['rollback', key, '1'],
        ['history', key],
        ['check', key.replace('*', '1')],
        ['reset', key],
        ['delete', key],
      ]) {
        const { code, output, complaints } = await run(...args)
        results.push({ args, code, complaints, key: JSON.parse(output.split('\n')[0] ?? '').key ?? key })
      }
      const code = 0
      const named = results.map(({ args }) => ({
        args,
        code,
        complaints: '',
        key: args[0] === 'check' ? args[1] : key,
      }))
      expect(results).toEqual(named)
      expect(await run('get', key)).toMatchObject({ code: 1, complaints: expect.stringContaining('has no policy') })
    })
  })

  describe('that decodes and normalizes the path', () => {
    const run = givenNginx({ path: '/rl', location: 'location /rl/ { proxy_pass http://127.0.0.1:8080/; }' })
    const policies = async () => (await new Client(service.url).get('/config')).body

    it.each([
      [['set', 'tmp/../user:*', POLICY]],
      [['set', 'tmp/../user:*', POLICY, '--dry-run']],
      [['get', 'tmp/../user:*']],
      [['delete', 'tmp/../user:*']],
      [['rollback', 'tmp/../user:*', '1']],
      [['history', 'tmp/../user:*']],
      [['get', 'tmp/../none']],
      [['set', 'tmp/../none', POLICY]],
      [['set', 'a/b', POLICY]],
      [['set', 'user:1/history', POLICY]],
      [['set', 'tmp/../export', POLICY]],
      [['set', '../buckets/user:1', POLICY]],
    ])('%j is refused, and changes nothing', async args => {
      await new Client(service.url).put('user:*', JSON.parse(POLICY))
      const before = await policies()
      expect(await run(...args)).toEqual({
        code: 2,
        output: '',
        complaints: expect.stringMatching(
          /^throttler \w+: http:.* answered for the key .*a proxy changes the path.*\n$/,
        ),
      })
      expect(await policies()).toEqual(before)
    })

    it('reset fills no other bucket', async () => {
      const client = new Client(service.url)
      await client.put('job:1', { capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000 })
      await client.request('POST', '/check', { key: 'job:1' })
      expect(await run('reset', 'tmp/../job:1')).toMatchObject({
        code: 2,
        complaints: expect.stringContaining('has answered for the key "job:1" instead of "tmp/../job:1"'),
      })
      expect((await client.get('/buckets/job%3A1?tokens=0')).body).toMatchObject({ remaining: 1 })
    })

    it('still works with keys that it leaves as they are', async () => {
      expect(await run('set', 'plain:1', POLICY)).toMatchObject({ code: 0 })
      expect(await run('delete', 'plain:1')).toMatchObject({ code: 0 })
    })
  })
})
