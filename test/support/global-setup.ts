import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const TESTS = new URL('..', import.meta.url).pathname

/** Without a `redis-server`, says which suites are left out; in CI a missing one is a failure. */
export default function globalSetup(): void {
  if (spawnSync('redis-server', ['--version']).status === 0) return
  if (process.env['CI'] === 'true') throw new Error('CI=true, but there is no redis-server on this machine: install it')
  const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.test.ts'))
  const leftOut = files.filter(file => readFileSync(join(TESTS, file), 'utf8').includes('describeWithRedis('))
  process.stderr.write(
    `\nThere is no redis-server on this machine. These suites are left out:\n${leftOut.map(file => `  test/${file}\n`).join('')}` +
      'Everything else runs on the embedded store. Install redis-server to run them all.\n\n',
  )
}
