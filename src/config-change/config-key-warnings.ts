import { isIP } from 'node:net'

/** What may be an address and its prefix length, as `10.0.0.0/8` in `ip:10.0.0.0/8`. */
const NETWORK = /([0-9A-Fa-f:.]+)\/([0-9]{1,3})(?=$|[*:])/
/** By version of IP. */
const ADDRESS_BITS = [0, 0, 0, 0, 32, 0, 128]

/** What is allowed as a config key, but probably not meant. */
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

/** The text and what follows each of its colons, any of which may separate the address from what stands before it. */
function addressesIn(text: string): readonly string[] {
  const parts = text.split(':')
  return parts.map((_, i) => parts.slice(i).join(':'))
}
