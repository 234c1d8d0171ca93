/** More than the answer to any call: a batch of a thousand checks by many limits has a few MB. */
const MAX_BYTES = 16 * 1024 * 1024

/**
 * The body of a response.
 * @throws {Error} if it has more bytes than any answer of the service
 */
export async function textOf(response: Response): Promise<string> {
  const { headers, body, url } = response
  // The service says how long an answer is, and reading it at once is the fastest way.
  if (Number(headers.get('content-length') ?? Infinity) <= MAX_BYTES && !headers.has('content-encoding'))
    return response.text()
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body ?? []) {
    bytes += part.length
    if (bytes > MAX_BYTES) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
