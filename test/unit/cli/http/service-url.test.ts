import { expect, it } from '@jest/globals'
import { serviceUrl } from '../../../../src/cli/http/service-url.ts'

it.each([
  ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/'],
  ['https://throttler.example.com/', 'https://throttler.example.com/'],
  ['https://example.com/limits//', 'https://example.com/limits'],
  ['http://[::1]:8080', 'http://[::1]:8080/'],
])('%s is accepted', (given, url) => {
  expect(serviceUrl(given).href).toBe(url)
})

it.each(['', 'throttler.example.com', 'localhost:8080', 'ftp://example.com', 'http://', '/config'])(
  '%j is refused, with what was given and what is allowed',
  given => {
    expect(() => serviceUrl(given)).toThrow(
      `--url must be an http or https URL, such as https://throttler.example.com (got ${JSON.stringify(given)})`,
    )
  },
)

it.each(['http://example.com?a=b', 'http://example.com/#a'])('%s is refused for its query or fragment', given => {
  expect(() => serviceUrl(given)).toThrow('without a query or fragment')
})

it.each([
  'https://ann:secret@example.com',
  'https://secret@example.com',
  'ftp://ann:secret@example.com',
  'ann:secret@x',
  'https://example.com/?token=secret',
  'https://example.com/#secret',
  'https://example.com/?token=a@secret',
  'ftp://example.com/?token=secret',
])('the refusal of %s does not repeat the secret', given => {
  expect(() => serviceUrl(given)).toThrow(/--url must/)
  expect(() => serviceUrl(given)).not.toThrow(/secret/)
})
