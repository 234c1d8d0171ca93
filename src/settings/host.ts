import { isIP } from 'node:net'
import { isLoopbackHost } from '../lib/loopback-hosts.ts'
import { fault } from './fault.ts'

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/

/** Errors of a host that this machine does not have, or cannot resolve. */
const NOT_OF_THIS_MACHINE = /^(ENOTFOUND|EADDRNOTAVAIL|EAI_\w+)$/

/** What is wrong with `HOST`. */
export function hostFaults({ HOST, ADMIN_TOKENS }: Readonly<Record<string, string | undefined>>): string[] {
  if (HOST === undefined) return []
  if (isIP(HOST) === 0 && !HOST_NAME.test(HOST)) {
    return [fault('HOST', 'be an IP address or a host name, without a port', JSON.stringify(HOST))]
  }
  if (isLoopbackHost(HOST) || ADMIN_TOKENS !== undefined) return []
  return [fault('HOST', 'be a loopback address unless "ADMIN_TOKENS" is set', JSON.stringify(HOST))]
}

interface ListenAddress {
  readonly host: string
  readonly port: number
  /** The variable that the port comes from. */
  readonly variable: string
}

/** Why a server cannot listen on `HOST`. */
export function listenFault(address: ListenAddress, { code, message }: NodeJS.ErrnoException): string {
  const { host, port, variable } = address
  if (!NOT_OF_THIS_MACHINE.test(code ?? '')) return `cannot listen on ${host}:${port}: ${message} ("${variable}")`
  return fault('HOST', 'be an address of this machine, or a name of one', `${JSON.stringify(host)}: ${message}`)
}
