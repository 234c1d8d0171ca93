/**
 * The parts of descriptors of Envoy's rate limit service, as text: the domain, and the key and value of each entry. What has a meaning in
 * `rls;DOMAIN;KEY=VALUE;KEY=VALUE…` is percent-encoded, and so is what no key may contain. Each part has exactly one text.
 */

export type DescriptorPart = 'domain' | 'key' | 'value'

/** What is encoded in every part: `%`, `;`, braces, which decide where a bucket is stored, and control characters. */
const ALWAYS = '%;{}\\p{Cc}'
/** In a key, `=` would end it. In a value, `*` would match any end. */
const ENCODED: Readonly<Record<DescriptorPart, RegExp>> = {
  domain: new RegExp(`[${ALWAYS}]`, 'gu'),
  key: new RegExp(`[${ALWAYS}=]`, 'gu'),
  value: new RegExp(`[${ALWAYS}*]`, 'gu'),
}

const PERCENT = /%([0-9A-F]{2})|(%)/g

const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @param text without lone surrogates */
export function encodedText(part: DescriptorPart, text: string): string {
  return text.replace(ENCODED[part], character => encodedBytes(utf8.encode(character)))
}

/** Bytes that are not UTF-8 are encoded too. */
export function encodedPart(part: DescriptorPart, bytes: Uint8Array): string {
  const text = decoded(bytes)
  if (text !== undefined) return encodedText(part, text)
  let encoded = ''
  for (let at = 0; at < bytes.length; ) {
    const character = decoded(bytes.subarray(at, at + sequenceLength(bytes[at] ?? 0)))
    encoded += character === undefined ? encodedBytes(bytes.subarray(at, at + 1)) : encodedText(part, character)
    at += character === undefined ? 1 : utf8.encode(character).length
  }
  return encoded
}

/** Whether a text is exactly what encoding leads to: nothing is missing, and nothing is encoded without need. */
export function isEncoded(part: DescriptorPart, text: string): boolean {
  const bytes = bytesOf(text)
  return bytes !== undefined && encodedPart(part, bytes) === text
}

function bytesOf(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let at = 0
  for (const { index, 0: found, 1: hex } of text.matchAll(PERCENT)) {
    if (hex === undefined) return undefined
    bytes.push(...utf8.encode(text.slice(at, index)), Number.parseInt(hex, 16))
    at = index + found.length
  }
  return Uint8Array.from([...bytes, ...utf8.encode(text.slice(at))])
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The length of a sequence of UTF-8 that begins with this byte. @see https://www.rfc-editor.org/rfc/rfc3629#section-3 */
function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4
  if (first >= 0xe0) return 3
  return first >= 0xc0 ? 2 : 1
}

function encodedBytes(bytes: Uint8Array): string {
  return Array.from(bytes, byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
