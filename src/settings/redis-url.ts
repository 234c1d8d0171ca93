/** Where a Redis is and who asks it, as one URL says it. */
export interface RedisUrl {
  readonly kind: 'standalone' | 'cluster' | 'sentinel'
  readonly tls: boolean
  /** One server; some nodes of the cluster; or the Sentinels. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]]
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** What the Sentinels call the master. */
  readonly masterName?: string
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export const ALLOWED_REDIS_URLS =
  'redis://[user:password@]host[:port][/database], redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/name[/database], each with rediss for TLS'

const SHAPE = /^redis(?<tls>s?)(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<login>.*)@)?(?<hosts>[^/?#]*)(?<path>[^?#]*)$/
const HOST_AND_PORT = /^(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d+))?$/
const DEFAULT_PORTS = { standalone: 6379, cluster: 6379, sentinel: 26_379 } as const
const MAX_PORT = 65_535

/** Thrown with what is wrong with a URL. */
export class RedisUrlFault extends Error {
  override readonly name = 'RedisUrlFault'
}

/** @throws {RedisUrlFault} */
export function parseRedisUrl(url: string): RedisUrl {
  const parts = SHAPE.exec(url)?.groups
  if (parts === undefined) throw new RedisUrlFault('it is no URL of a Redis')
  const kind = (parts['kind'] ?? 'standalone') as RedisUrl['kind']
  const endpoints = parseEndpoints(parts['hosts'] ?? '', DEFAULT_PORTS[kind])
  if (kind === 'standalone' && endpoints.length > 1) {
    throw new RedisUrlFault('it names several servers without +cluster or +sentinel')
  }
  return {
    kind,
    tls: parts['tls'] === 's',
    endpoints,
    ...parseLogin(parts['login']),
    ...parsePath(kind, parts['path'] ?? ''),
  }
}

/** The URL as it may be shown: without user and password. */
export function withoutLogin(url: string): string {
  return url.replace(/\/\/.*@/s, '//***@')
}

function parseEndpoints(hosts: string, defaultPort: number): RedisUrl['endpoints'] {
  const [first, ...others] = hosts.split(',').map(text => {
    const parts = HOST_AND_PORT.exec(text)?.groups
    if (parts === undefined) throw new RedisUrlFault(`${JSON.stringify(text)} is no host, or host:port`)
    const port = Number(parts['port'] ?? defaultPort)
    if (port < 1 || port > MAX_PORT) throw new RedisUrlFault(`the port ${port} is not from 1 to ${MAX_PORT}`)
    return { host: parts['ipv6'] ?? parts['name'] ?? '', port }
  })
  if (first === undefined) throw new RedisUrlFault('it names no host')
  return [first, ...others]
}

/** A password alone (`:password@`) is the default user's. */
function parseLogin(login: string | undefined): Pick<RedisUrl, 'username' | 'password'> {
  if (login === undefined || login === '' || login === ':') return {}
  const colon = login.indexOf(':')
  const username = decode(colon === -1 ? login : login.slice(0, colon))
  const password = colon === -1 ? '' : decode(login.slice(colon + 1))
  if (password === '') throw new RedisUrlFault('it has a user without a password')
  return username === '' ? { password } : { username, password }
}

function parsePath(kind: RedisUrl['kind'], path: string): Pick<RedisUrl, 'database' | 'masterName'> {
  const segments = path.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  const masterName = kind === 'sentinel' ? decode(segments.shift() ?? '') : undefined
  if (masterName === '') throw new RedisUrlFault('it does not say what the Sentinels call the master: …/name')
  const [database = '0', ...rest] = segments
  if (rest.length > 0 || !/^\d{1,5}$/.test(database)) {
    throw new RedisUrlFault(`${JSON.stringify(segments.join('/'))} is no number of a database`)
  }
  if (kind === 'cluster' && Number(database) !== 0) throw new RedisUrlFault('a Redis Cluster has only database 0')
  return { database: Number(database), ...(masterName !== undefined && { masterName }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisUrlFault('it has a % that begins no percent-encoding')
  }
}
