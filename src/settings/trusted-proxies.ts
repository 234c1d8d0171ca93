import ipaddr from 'ipaddr.js'
import { fault } from './fault.ts'

/** Networks with a name of their own. @see https://github.com/fastify/proxy-addr#proxyaddrreq-trust */
const NAMED_NETWORKS = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** Reads `TRUST_PROXY`. */
export function readTrustedProxies(value: string | undefined, faults: string[]): readonly string[] {
  const entries = value?.split(',') ?? []
  if (!entries.every(isTrustable)) {
    const rule =
      'be a comma-separated list of addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal'
    faults.push(fault('TRUST_PROXY', rule, JSON.stringify(value)))
  }
  return entries
}

/** Whether an entry of `TRUST_PROXY` is an address, a network such as `10.0.0.0/8` (not `/0`), or a named network. */
export function isTrustable(entry: string): boolean {
  if (NAMED_NETWORKS.has(entry)) return true
  const [address = '', bits] = entry.split('/')
  const isAddress = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)
  if (bits === undefined) return isAddress
  return isAddress && ipaddr.isValidCIDR(entry) && Number(bits) >= 1
}
