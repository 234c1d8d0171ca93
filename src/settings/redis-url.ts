import { MAX_SOCKET_PATH_BYTES } from '../lib/socket-path.ts'
import { fault } from './fault.ts'
import { describeHosts, describeMalformedUrl } from './malformed-url.ts'

/** The parts of a Redis URL: servers, credentials and database. */
export interface RedisUrl {
  readonly kind: 'standalone' | 'cluster' | 'sentinel'
  readonly tls: boolean
  /** One server, some nodes of the cluster, or the Sentinels. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]]
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** The name by which the Sentinels know the master. */
  readonly masterName?: string
}

/** Where a server listens: on a port, or on a Unix socket. */
export type Endpoint =
  | { readonly host: string; readonly port: number; readonly path?: never }
  | { readonly path: string; readonly host?: never; readonly port?: never }

const FORMS =
  'redis://[user:password@]host[:port][/database], redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/name[/database], each with rediss for TLS, or redis+unix://[user:password@]/path'

const SHAPE =
  /^redis(?<tls>s?)(?:\+(?<kind>cluster|sentinel|unix))?:\/\/(?:(?<login>.*)@)?(?<hosts>[^/?#]*)(?<path>[^?#]*)$/
const HOST_AND_PORT = /^(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/
const DEFAULT_PORTS = { standalone: 6379, cluster: 6379, sentinel: 26_379 } as const
const MAX_PORT = 65_535

/** The message says what is wrong with a URL. */
export class RedisUrlFault extends Error {
  override readonly name = 'RedisUrlFault'
}

/** @throws {RedisUrlFault} */
export function parseRedisUrl(url: string): RedisUrl {
  const parts = SHAPE.exec(url)?.groups
  if (parts === undefined) throw new RedisUrlFault('not a Redis URL')
  if (parts['kind'] === 'unix') return parseSocketUrl(parts)
  const kind = (parts['kind'] ?? 'standalone') as RedisUrl['kind']
  const endpoints = parseEndpoints(parts['hosts'] ?? '', DEFAULT_PORTS[kind])
  if (kind === 'standalone' && endpoints.length > 1) {
    throw new RedisUrlFault('several hosts require +cluster or +sentinel')
  }
  return {
    kind,
    tls: parts['tls'] === 's',
    endpoints,
    ...parseLogin(parts['login']),
    ...parsePath(kind, parts['path'] ?? ''),
  }
}

function parseSocketUrl({ tls, login, hosts, path }: Record<string, string | undefined>): RedisUrl {
  if (tls !== '') throw new RedisUrlFault('a Unix socket has no TLS: use redis+unix')
  if (hosts !== '') throw new RedisUrlFault('a Unix socket has no host: redis+unix:///path')
  return { kind: 'standalone', tls: false, endpoints: [parseSocketPath(path)], ...parseLogin(login), database: 0 }
}

function parseSocketPath(encoded = ''): Endpoint {
  const path = decode(encoded)
  if (path === '' || path.endsWith('/'))
    throw new RedisUrlFault('the path of the socket is missing: redis+unix:///path')
  if (path.includes('\0')) throw new RedisUrlFault('the path of the socket contains a NUL character')
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_SOCKET_PATH_BYTES) return { path }
  throw new RedisUrlFault(`the path of the socket has ${bytes} bytes; at most ${MAX_SOCKET_PATH_BYTES} are allowed`)
}

/** The URL of a server with a password that listens on a Unix socket. */
export function socketUrl(path: string, password: string): string {
  return `redis+unix://:${encodeURIComponent(password)}@${path.split('/').map(encodeURIComponent).join('/')}`
}

/** An endpoint in words. */
export function addressOf({ host, port, path }: Endpoint): string {
  return path ?? `${host}:${port}`
}

/** The faults of a variable that holds a Redis URL. */
export function redisUrlFaults(name: string, url: string | undefined, isFromFile = false): string[] {
  if (url === undefined) return []
  try {
    parseRedisUrl(url)
    return []
  } catch (err) {
    if (!(err instanceof RedisUrlFault)) throw err
    return [fault(name, `be ${FORMS}`, `${describeMalformedUrl(url, isFromFile)}: ${err.message}`)]
  }
}

const LOGIN = /^(rediss?(?:\+\w+)?:\/\/).*@/s

/** Replaces user and password of a valid URL, so that it can be shown. */
export function redactCredentials(url: string): string {
  return url.replace(LOGIN, '$1***@')
}

function parseEndpoints(hosts: string, defaultPort: number): RedisUrl['endpoints'] {
  const [first, ...others] = hosts.split(',').map(text => {
    const parts = HOST_AND_PORT.exec(text)?.groups
    if (parts === undefined)
      throw new RedisUrlFault(`${JSON.stringify(describeHosts(text))} is not a host or host:port`)
    const port = Number(parts['port'] ?? defaultPort)
    if (port < 1 || port > MAX_PORT) throw new RedisUrlFault(`the port ${port} is not between 1 and ${MAX_PORT}`)
    return { host: parts['ipv6'] ?? parts['name'] ?? '', port }
  })
  if (first === undefined) throw new RedisUrlFault('the host is missing')
  return [first, ...others]
}

/** A password without a user (`:password@`) belongs to Redis's default user. */
function parseLogin(login: string | undefined): Pick<RedisUrl, 'username' | 'password'> {
  if (login === undefined || login === '' || login === ':') return {}
  const colon = login.indexOf(':')
  const username = decode(colon === -1 ? login : login.slice(0, colon))
  const password = colon === -1 ? '' : decode(login.slice(colon + 1))
  if (password === '') throw new RedisUrlFault('the user has no password')
  return username === '' ? { password } : { username, password }
}

function parsePath(kind: RedisUrl['kind'], path: string): Pick<RedisUrl, 'database' | 'masterName'> {
  const segments = path.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  const masterName = kind === 'sentinel' ? decode(segments.shift() ?? '') : undefined
  if (masterName === '') throw new RedisUrlFault('the name of the master is missing: …/name')
  const [database = '0', ...rest] = segments
  if (rest.length > 0 || !/^\d{1,5}$/.test(database)) {
    throw new RedisUrlFault('its path is not a database number')
  }
  if (kind === 'cluster' && Number(database) !== 0) throw new RedisUrlFault('Redis Cluster has database 0 only')
  return { database: Number(database), ...(masterName !== undefined && { masterName }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisUrlFault('a % does not begin a percent-encoded character')
  }
}
