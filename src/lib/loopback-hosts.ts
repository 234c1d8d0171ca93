import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

const LOOPBACK_NAME = /^(localhost|[a-z0-9.-]+\.localhost|\[::1\])$/i

/** Whether an authority such as `localhost:8080` or `[::1]` names this machine only. */
export function isLoopbackAuthority(authority: string): boolean {
  const host = authority.replace(/:[0-9]+$/, '')
  return LOOPBACK_NAME.test(host) || (host.startsWith('127.') && isIPv4(host))
}

/** Whether a server that listens on this host can be reached from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return isLoopbackAuthority(host.includes(':') ? `[${host}]` : host)
}

/**
 * The addresses on which a server of this host listens. For `localhost`, these are the loopback addresses of both families, since
 * clients may try either one.
 */
export function listenAddresses(host: string): readonly [string, ...string[]] {
  if (host.toLowerCase() !== 'localhost') return [host]
  return hasAddress('::1') ? ['127.0.0.1', '::1'] : ['127.0.0.1']
}

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(entry => entry.address === address))
}
