import { isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Prefix length of the network that one IPv6 customer gets. @see https://www.rfc-editor.org/rfc/rfc6177 */
const IPV6_CUSTOMER_BITS = 64

/** An address with a port, as some proxies write it in `X-Forwarded-For`, or in brackets. @see https://www.rfc-editor.org/rfc/rfc7239#section-6 */
const WITH_PORT = /^(?:\[(?<ipv6>[^\]]*)\](?::\d+)?|(?<ipv4>[\d.]+):\d+)$/

/** An IPv6 address such as `::203.0.113.7`, which ipaddr.js takes for an IPv4-mapped one (`::ffff:203.0.113.7`). */
const IPV4_COMPATIBLE = /^::(?=\d+\.)/

/**
 * The client behind an address: an IPv4 address itself, an IPv6 address its /64.
 * @param address `undefined`, which Fastify's types do not know, for a connection that its client has already reset
 */
export function clientOf(address: string | undefined = ''): string {
  const bare = withoutPort(address)
  if (isIPv4(bare)) return bare
  if (!ipaddr.IPv6.isValid(bare)) return 'unknown'
  const parsed = ipaddr.process(bare.replace(IPV4_COMPATIBLE, '::0:'))
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const network = parsed.parts.slice(0, IPV6_CUSTOMER_BITS / 16).map(part => part.toString(16))
  return `${network.join(':')}::/${IPV6_CUSTOMER_BITS}`
}

/** An address without its port and its brackets; any other text as it is. */
export function withoutPort(address: string): string {
  if (isIPv4(address)) return address
  const { ipv4 = '', ipv6 = '' } = WITH_PORT.exec(address)?.groups ?? {}
  if (isIPv4(ipv4)) return ipv4
  return ipaddr.IPv6.isValid(ipv6) ? ipv6 : address
}
