/**
 * The parts of descriptors of Envoy's rate limit service, as text: the domain, and the key and value of each entry. What has a meaning in
 * `rls;DOMAIN;KEY=VALUE;KEY=VALUE…` is percent-encoded, and so is what no key may contain. Each part has exactly one text.
 */

export type DescriptorPart = 'domain' | 'key' | 'value'

/** What is encoded in every part: `%`, `;`, braces, which decide where a bucket is stored, and control characters. */
const ALWAYS = '%;{}'
/** In a key, `=` would end it. In a value, `*` would match any end. */
const ENCODED: Readonly<Record<DescriptorPart, EncodedCharacters>> = {
  domain: encodedCharacters(ALWAYS),
  key: encodedCharacters(`${ALWAYS}=`),
  value: encodedCharacters(`${ALWAYS}*`),
}

interface EncodedCharacters {
  /** Finds one of them. */
  readonly pattern: RegExp
  /** By ASCII code, whether it is one of them. */
  readonly ascii: readonly boolean[]
}

const HEX_DIGITS = Buffer.from('0123456789ABCDEF')
const PERCENT_SIGN = 0x25

/** Bytes of one encoded byte, such as `%3B`. */
const ENCODED_BYTES = 3

const PERCENT = /%([0-9A-F]{2})|(%)/g

/** @param text without lone surrogates */
export function encodedText(part: DescriptorPart, text: string): string {
  return ENCODED[part].pattern.test(text) ? encodedPart(part, Buffer.from(text)) : text
}

/** The same for bytes. In most of them, nothing is to be encoded. @param latin1 the bytes, one in each character */
export function encodedBytes(part: DescriptorPart, latin1: string): string {
  const { ascii } = ENCODED[part]
  for (let i = 0; i < latin1.length; i++) {
    // Beyond ASCII it is undefined.
    if (ascii[latin1.charCodeAt(i)] !== false) return encodedPart(part, Buffer.from(latin1, 'latin1'))
  }
  return latin1
}

/**
 * Bytes that are not UTF-8 are encoded too. It goes byte by byte and makes one string at the end, since a part can have a megabyte, all of
 * which is encoded.
 */
export function encodedPart(part: DescriptorPart, bytes: Uint8Array): string {
  const { ascii } = ENCODED[part]
  const encoded = Buffer.allocUnsafe(ENCODED_BYTES * bytes.length)
  let end = 0
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number
    const length = first < 0x80 ? Number(!ascii[first]) : printableLength(bytes, at)
    if (length === 0) {
      encoded[end++] = PERCENT_SIGN
      encoded[end++] = HEX_DIGITS[first >> 4] as number
      encoded[end++] = HEX_DIGITS[first & 0xf] as number
      at++
    } else for (const next = at + length; at < next; at++) encoded[end++] = bytes[at] as number
  }
  return encoded.toString('utf8', 0, end)
}

/** These characters, and control characters. */
function encodedCharacters(characters: string): EncodedCharacters {
  const pattern = new RegExp(`[${characters}\\p{Cc}]`, 'u')
  return { pattern, ascii: Array.from({ length: 0x80 }, (_, code) => pattern.test(String.fromCharCode(code))) }
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
    bytes.push(...Buffer.from(text.slice(at, index)), Number.parseInt(hex, 16))
    at = index + found.length
  }
  return Uint8Array.from([...bytes, ...Buffer.from(text.slice(at))])
}

/** The last control character beyond ASCII, of which U+0080 is the first. */
const LAST_CONTROL = 0x9f

/** No sequence of UTF-8 begins with a larger byte. */
const LAST_FIRST_BYTE = 0xf4

/** By the length of a sequence in bytes, its smallest code point: a longer sequence than needed is not UTF-8. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000]

/** The length of the sequence of UTF-8 at a byte beyond ASCII; 0 if there is none, or if it is a control character. */
function printableLength(bytes: Uint8Array, at: number): number {
  const codePoint = codePointAt(bytes, at)
  return codePoint === undefined || codePoint <= LAST_CONTROL ? 0 : sequenceLength(bytes[at] as number)
}

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
  if (first > LAST_FIRST_BYTE) return 1
  if (first >= 0xf0) return 4
  if (first >= 0xe0) return 3
  return first >= 0xc0 ? 2 : 1
}
