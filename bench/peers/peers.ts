/** The rate limiters that the service is compared with: how each is built, started, and what it decides. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type Protocol = 'HTTP' | 'RESP' | 'gRPC'

export interface Peer {
  readonly name: string
  readonly version: string
  /** The command that builds its program into `bin` of a directory. */
  readonly build: (root: string) => Build
  readonly program: string
  readonly decides: string
  /** How it is started, and where it listens then. */
  readonly start: (place: Place) => Promise<Start>
}

interface Build {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Place {
  readonly ports: readonly [number, number, number]
  readonly redisPort: number
  /** For its files. */
  readonly directory: string
}

interface Start {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly listens: Readonly<Partial<Record<Protocol, number>>>
}

const LOOPBACK = '127.0.0.1'
const RATE_LIMIT_CONFIG = `domain: bench
descriptors:
  - key: user
    rate_limit:
      unit: day
      requests_per_unit: 1000000
`

/** Some need a later Go than that of the machine. */
const go = (path: string, version: string) => (root: string) => ({
  command: ['go', 'install', `${path}@${version}`],
  env: { GOBIN: join(root, 'bin'), GOTOOLCHAIN: 'auto' },
})

const RATELIMIT_VERSION = 'v1.4.1-0.20260122083618-3fb702589d36'
export const RATELIMIT_MODULE = `github.com/envoyproxy/ratelimit@${RATELIMIT_VERSION}`

export const RATELIMIT: Peer = {
  name: 'envoyproxy/ratelimit',
  version: '3fb5027 (2026-01-22)',
  build: go('github.com/envoyproxy/ratelimit/src/service_cmd', RATELIMIT_VERSION),
  program: 'service_cmd',
  decides: 'fixed window, up to twice the limit around its end, shared over Redis',
  start: async ({ ports: [http, grpc, debug], redisPort, directory }) => {
    const config = join(directory, 'ratelimit', 'config')
    await mkdir(config, { recursive: true })
    await writeFile(join(config, 'bench.yaml'), RATE_LIMIT_CONFIG)
    return {
      env: {
        ...{ RUNTIME_ROOT: directory, RUNTIME_SUBDIRECTORY: 'ratelimit', USE_STATSD: 'false', LOG_LEVEL: 'error' },
        ...{ BACKEND_TYPE: 'redis', REDIS_SOCKET_TYPE: 'tcp', REDIS_URL: `${LOOPBACK}:${redisPort}` },
        ...{ HOST: LOOPBACK, PORT: String(http), GRPC_HOST: LOOPBACK, GRPC_PORT: String(grpc) },
        ...{ DEBUG_HOST: LOOPBACK, DEBUG_PORT: String(debug) },
      },
      listens: { gRPC: grpc },
    }
  },
}

export const PEERS: readonly Peer[] = [
  {
    name: 'throttlecrab',
    version: '0.4.40',
    build: root => ({
      command: ['cargo', 'install', '--locked', 'throttlecrab-server', '--version', '0.4.40', '--root', root],
    }),
    program: 'throttlecrab-server',
    decides: 'GCRA, exact, in the memory of one process',
    start: async ({ ports: [http, resp] }) => ({
      args: [
        ...['--http', '--http-host', LOOPBACK, '--http-port', String(http)],
        ...['--redis', '--redis-host', LOOPBACK, '--redis-port', String(resp)],
        ...['--log-level', 'error'],
      ],
      listens: { HTTP: http, RESP: resp },
    }),
  },
  {
    name: 'gubernator',
    version: '2.21.0',
    build: go('github.com/gubernator-io/gubernator/v2/cmd/gubernator', 'v2.21.0'),
    program: 'gubernator',
    decides: 'fixed window from the first request, in the memory of the process that owns the key',
    start: async ({ ports: [http, grpc] }) => ({
      env: {
        GUBER_HTTP_ADDRESS: `${LOOPBACK}:${http}`,
        GUBER_GRPC_ADDRESS: `${LOOPBACK}:${grpc}`,
        GUBER_ADVERTISE_ADDRESS: `${LOOPBACK}:${grpc}`,
      },
      listens: { gRPC: grpc },
    }),
  },
  RATELIMIT,
]
