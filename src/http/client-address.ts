import { isIP, isIPv6 } from 'node:net'

/** Names of networks that a proxy may be trusted by. @see https://github.com/fastify/proxy-addr#proxyaddrreq-trust */
const NAMED_NETWORKS = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** Whether this names proxies: an address, a network such as `10.0.0.0/8`, or one of the named networks. */
export function isTrustable(entry: string): boolean {
  if (NAMED_NETWORKS.has(entry)) return true
  const [address = '', bits, ...rest] = entry.split('/')
  const longest = isIPv6(address) ? 128 : 32
  if (isIP(address) === 0 || rest.length > 0) return false
  return bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= longest)
}

const MAPPED_IPV4 = /^::ffff:([0-9]{1,3}(?:\.[0-9]{1,3}){3})$/i

/**
 * Whom an address stands for: an IPv4 address itself, an IPv6 address its /64, since that is what one customer gets.
 * @param address none, though Fastify's types do not know it, of a connection that its caller has reset already
 * @see https://www.rfc-editor.org/rfc/rfc6177
 */
export function clientOf(address: string | undefined = ''): string {
  const plain = MAPPED_IPV4.exec(address)?.[1] ?? address.replace(/%.*$/, '')
  if (!isIPv6(plain)) return isIP(plain) === 0 ? 'unknown' : plain
  return `${networkOf(plain)}::/64`
}

/** The first four groups; `::` stands for as many zeros as are missing. */
function networkOf(ipv6: string): string {
  const [head = '', tail] = ipv6.split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - groupsIn(tail)
  const all = [...groups, ...Array(missing).fill('0'), ...(tail ? tail.split(':') : [])]
  return all
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')
}

/** An IPv4 address at the end takes the place of two groups. */
function groupsIn(tail: string): number {
  if (tail === '') return 0
  return tail.split(':').length + (tail.includes('.') ? 1 : 0)
}
