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
  let valid = ''
  for (let at = 0; at < bytes.length; ) {
    const codePoint = codePointAt(bytes, at)
    if (codePoint === undefined) {
      encoded += encodedText(part, valid) + encodedBytes(bytes.subarray(at, at + 1))
      valid = ''
      at++
    } else {
      valid += String.fromCodePoint(codePoint)
      at += sequenceLength(bytes[at] as number)
    }
  }
  return encoded + encodedText(part, valid)
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

/** By the length of a sequence in bytes, its smallest code point: a longer sequence than needed is not UTF-8. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000]

/** The code point whose sequence of UTF-8 begins at a byte; `undefined` if there is none. @see https://www.rfc-editor.org/rfc/rfc3629#section-4 */
function codePointAt(bytes: Uint8Array, at: number): number | undefined {
  const first = bytes[at] as number
  if (first < 0x80) return first
  const length = sequenceLength(first)
  if (length === 1) return undefined
  let codePoint = first & (0x7f >> length)
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i] ?? 0
    if (next >> 6 !== 0b10) return undefined
    codePoint = (codePoint << 6) | (next & 0x3f)
  }
  const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff
  return codePoint < (SMALLEST[length] as number) || codePoint > 0x10ffff || isSurrogate ? undefined : codePoint
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
