import { isIPv4, isIPv6 } from 'node:net'

/** The first 96 bits of an IPv4-mapped address, as six groups. */
const MAPPED_PREFIX = '0:0:0:0:0:ffff'

/**
 * The key of a client by its address: an IPv4 address itself, an IPv6 address as its /64, since a subscriber has a whole
 * /64 to choose addresses from. An IPv4-mapped IPv6 address is the IPv4 address; a zone id does not count.
 * @param ip `ip:unknown` is the key of whatever is not an address
 * @see https://www.rfc-editor.org/rfc/rfc6177 https://www.rfc-editor.org/rfc/rfc5952
 */
export function clientKey(ip: string | undefined): string {
  const address = String(ip).replace(/%.*$/s, '')
  if (isIPv4(address)) return `ip:${address}`
  if (!isIPv6(address)) return 'ip:unknown'
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 6).map(hex).join(':') === MAPPED_PREFIX
  return `ip:${isMapped ? dotted(groups.slice(6)) : networkOf(groups)}`
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const first = groupsIn(head)
  if (tail === undefined) return first
  const last = groupsIn(tail)
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
}

/** An IPv4 address at the end replaces two groups. */
function groupsIn(part: string): readonly number[] {
  if (part === '') return []
  return part.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

/** The /64 in canonical form, in which `::` stands for all zeros at the end: it is always the longest run of them. */
function networkOf(groups: readonly number[]): string {
  const network = groups.slice(0, 4).map(hex).join(':')
  return `${network.replace(/(?:(?:^|:)0)+$/, '')}::/64`
}

function dotted(groups: readonly number[]): string {
  return groups.flatMap(group => [Math.floor(group / 256), group % 256]).join('.')
}

function hex(group: number): string {
  return group.toString(16)
}
