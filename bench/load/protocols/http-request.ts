/** @param fields besides those that every request has */
export function post(path: string, payload: unknown, fields: readonly string[] = []): Buffer {
  const body = JSON.stringify(payload)
  const head = [
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
  ]
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`)
}
