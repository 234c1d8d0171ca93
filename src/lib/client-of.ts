import { isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Prefix length of the network that one IPv6 customer gets. @see https://www.rfc-editor.org/rfc/rfc6177 */
const IPV6_CUSTOMER_BITS = 64

/**
 * The client behind an address: an IPv4 address itself, an IPv6 address its /64.
 * @param address `undefined`, which Fastify's types do not know, for a connection that its client has already reset
 */
export function clientOf(address: string | undefined = ''): string {
  if (isIPv4(address)) return address
  if (!ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  const network = parsed.parts.slice(0, IPV6_CUSTOMER_BITS / 16).map(part => part.toString(16))
  return `${network.join(':')}::/${IPV6_CUSTOMER_BITS}`
}
