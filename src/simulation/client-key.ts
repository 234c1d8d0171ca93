import { clientOf } from '../lib/client-of.ts'
import type { LogFormat } from './access-log.ts'
import { FieldTemplate } from './field-template.ts'

/** The field with the key under which the recipes for proxies and the TypeScript client count the client of a request. */
export const CLIENT_KEY = 'client_key'

const ADDRESS = new FieldTemplate('{remote_addr}')

/** Zeros at the end of an IPv6 network. The `::` after them stands for these too, in the spelling of RFC 5952. */
const LAST_ZEROS = /(?:(?:^|:)0)+(?=::\/64$)/

/** Adds the field `client_key`, made from `remote_addr`, to lines without one. */
export function withClientKey(format: LogFormat): LogFormat {
  return line => {
    const request = format(line)
    return {
      at: request.at,
      field: name => request.field(name) ?? (name === CLIENT_KEY ? keyOf(ADDRESS.textOf(request)) : undefined),
    }
  }
}

/** A text that is not an address, such as the name of a host, stays as it is: its clients are still told apart. */
function keyOf(address: string): string {
  const client = clientOf(address)
  return `ip:${client === 'unknown' ? address : client.replace(LAST_ZEROS, '')}`
}
