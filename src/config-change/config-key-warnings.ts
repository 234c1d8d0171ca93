import { isIP } from 'node:net'

/** An address with a prefix length, such as `10.0.0.0/8` in `ip:10.0.0.0/8`. */
const NETWORK = /([0-9A-Fa-f:.]+)\/([0-9]{1,3})(?=$|[*:])/
/** Address length in bits, by IP version. */
const ADDRESS_BITS = [0, 0, 0, 0, 32, 0, 128]

/** Warnings about a valid config key that probably does not do what its author intends. */
export function configKeyWarnings(configKey: string): readonly string[] {
  if (!namesNetwork(configKey)) return []
  const matched = configKey.endsWith('*') ? 'keys that begin with this text' : 'this text'
  return [
    `the key ${JSON.stringify(configKey)} looks like a network, but matches only ${matched}: keys are text, not addresses`,
  ]
}

function namesNetwork(configKey: string): boolean {
  const [, text = '', bits] = NETWORK.exec(configKey) ?? []
  return addressesIn(text).some(address => Number(bits) <= (ADDRESS_BITS[isIP(address)] ?? 0))
}

/** The text, and the rest of it after each colon: any of the colons may separate the address from a prefix. */
function addressesIn(text: string): readonly string[] {
  const parts = text.split(':')
  return parts.map((_, i) => parts.slice(i).join(':'))
}
