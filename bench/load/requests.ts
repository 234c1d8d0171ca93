import type { RawRequestKind } from './messages.ts'

const KEYS = 10_000
const BATCHES = 500

/** Checks in one request of the batch row. */
export const BATCH_SIZE = 100

/** More than is left of any bucket after the first such check: every later one is denied. */
const WHOLE_CAPACITY = 1_000_000

/** Every request of a kind, ready to be written. */
export function buildRequests(kind: RawRequestKind): readonly Buffer[] {
  switch (kind) {
    case 'single':
      return Array.from({ length: KEYS }, (_, i) => post('/check', { key: `user:${i}`, tokens: 1 }))
    case 'batch':
      return Array.from({ length: BATCHES }, () => post('/check/batch', { checks: randomChecks() }))
    case 'denied':
      return [post('/check', { key: 'flood', tokens: WHOLE_CAPACITY })]
  }
}

/** The next request to send, at random. */
export function atRandom(requests: readonly Buffer[]): () => Buffer {
  return () => requests[Math.floor(Math.random() * requests.length)] as Buffer
}

export function randomKey(): string {
  return `user:${Math.floor(Math.random() * KEYS)}`
}

function randomChecks() {
  return Array.from({ length: BATCH_SIZE }, () => ({ key: randomKey(), tokens: 1 }))
}

function post(path: string, payload: unknown): Buffer {
  const body = JSON.stringify(payload)
  const head = ['Host: localhost', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`)
}
