import proxyAddr from '@fastify/proxy-addr'
import { withoutPort } from '../lib/client-of.ts'

/** Addresses of a request's path that are compared with the trusted ones. Each takes up to 10 µs, and a field can have thousands. */
const MAX_HOPS = 16

/**
 * Returns whether an address of a request's path is that of a trusted proxy. Hop 0 is the sender of the request; then follow the
 * addresses of `X-Forwarded-For` from its end, each with or without a port. The first one that is not trusted is the client.
 * @param proxies addresses, networks and the names of networks, as in `TRUST_PROXY`
 */
export function trustHops(proxies: readonly string[]): (address: string, hop: number) => boolean {
  const isProxy = proxyAddr.compile([...proxies])
  return (address, hop) => hop < MAX_HOPS && isProxy(withoutPort(address), hop)
}
