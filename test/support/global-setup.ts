import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath } from './on-path.ts'

const TESTS = new URL('..', import.meta.url).pathname

/** What some suites need, and how they say so. */
const TOOLS = [
  {
    tool: 'redis-server',
    suites: 'describeWithRedis(',
    rest: 'Everything else runs on the embedded store. Install redis-server to run them all.',
  },
  { tool: 'chromium', suites: 'describeWithChromium(', rest: 'To run them too, install chromium.' },
  { tool: 'prometheus', suites: 'describeWithPrometheus(', rest: 'To run them too, install prometheus.' },
  { tool: 'nginx', suites: 'describeWithNginx(', rest: 'To run them too, install nginx.' },
  { tool: 'haproxy', suites: 'describeWithHaproxy(', rest: 'To run them too, install haproxy.' },
  { tool: 'docker-compose', suites: 'describeWithCompose(', rest: 'To run them too, install docker-compose.' },
  { tool: 'pm2', suites: 'describeWithPm2(', rest: 'To run them too: npm install --global pm2' },
]

/** Says which suites are left out for want of a tool; in CI a missing one is a failure. */
export default function globalSetup(): void {
  for (const { tool, suites, rest } of TOOLS) {
    if (isOnPath(tool)) continue
    if (process.env['CI'] === 'true') throw new Error(`CI=true, but there is no ${tool} on this machine: install it`)
    const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.test.ts'))
    const leftOut = files.filter(file => readFileSync(join(TESTS, file), 'utf8').includes(suites))
    const list = leftOut.map(file => `  test/${file}\n`).join('')
    process.stderr.write(`\nThere is no ${tool} on this machine. These suites are left out:\n${list}${rest}\n\n`)
  }
}
