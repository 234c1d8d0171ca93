const MIN_CAPACITY = 1_024

/** Copies the bytes to a buffer of at least `length` bytes and at most twice as many. */
export function withRoom(bytes: Buffer, length: number, maxLength: number): Buffer {
  if (length <= bytes.length) return bytes
  const larger = Buffer.allocUnsafeSlow(Math.min(maxLength, Math.max(2 * bytes.length, length, MIN_CAPACITY)))
  bytes.copy(larger)
  return larger
}
