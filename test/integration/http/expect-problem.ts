import { expect } from '@jest/globals'
import type { Answer } from '../../support/client.ts'

const IANA = 'https://iana.org/assignments/http-problem-types'

/** The types that are not `urn:throttler:error:<code>`. */
const TYPES: Readonly<Record<string, string>> = {
  'quota-exceeded': `${IANA}#quota-exceeded`,
  'store-unavailable': `${IANA}#temporary-reduced-capacity`,
}

/** What the fields of every answer have in common. */
export function expectCommonFields({ headers }: Answer): void {
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,128}$/)
  for (const [name] of headers) expect(name).not.toMatch(/^access-control-/)
}

/** An RFC 9457 problem of this status and code, complete. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code])
  expectCommonFields(answer)
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(answer.body).toMatchObject({
    type: TYPES[code] ?? `urn:throttler:error:${code}`,
    title: expect.stringMatching(/./),
    status,
    detail: expect.stringMatching(/./),
    instance: `urn:request:${answer.headers.get('x-request-id')}`,
  })
}

/** A Retry-After of 1000 s, or less by the few seconds that a busy machine has taken. */
export function expectThousandSeconds({ headers }: Answer): void {
  expect(headers.get('retry-after')).toMatch(/^(1000|99\d)$/)
}

/** A 400 that names each of these fields (as JSON pointers), and only those. */
export function expectFields(answer: Answer, code: string, paths: readonly string[]): void {
  expectProblem(answer, 400, code)
  expect(answer.body.errors.map(({ path }: { path: string }) => path)).toEqual(paths)
  for (const { message } of answer.body.errors) expect(message).toMatch(/./)
}
