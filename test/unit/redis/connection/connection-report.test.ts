import { expect, it } from '@jest/globals'
import { reasonOf } from '../../../../src/redis/connection/connection-report.ts'

it.each([
  ['Unknown RESP type 72 "H". Please report this.', 'the server does not speak the Redis protocol'],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'the connection was lost',
  ],
  ["Stream isn't writeable and enableOfflineQueue options is false", 'there is no connection'],
  ['Connection is closed.', 'the connection was lost'],
  ["ERR unknown command 'X', with args beginning with: 'user:42' ", "ERR unknown command 'X'"],
  ['connect ECONNREFUSED 127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
])('the reason of a lost connection is in plain words: %s', (message, reason) => {
  expect(reasonOf(new Error(message))).toBe(reason)
})

/** An error as Node.js makes it from one of OpenSSL. */
function tlsError(reason: string): Error {
  const place = '../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601'
  const message = `807CA30A:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:${place}:SSL alert number 1\n`
  const code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
  return Object.assign(new Error(message), { library: 'SSL routines', reason, code })
}

it.each([
  [
    'tlsv13 alert certificate required',
    'the server requires a client certificate: set REDIS_TLS_CERT and REDIS_TLS_KEY',
  ],
  [
    'sslv3 alert handshake failure',
    'the server requires a client certificate (REDIS_TLS_CERT and REDIS_TLS_KEY), or another cipher',
  ],
  [
    'ssl/tls alert handshake failure',
    'the server requires a client certificate (REDIS_TLS_CERT and REDIS_TLS_KEY), or another cipher',
  ],
  ['tlsv1 alert unknown ca', 'the server does not trust the CA of the client certificate (REDIS_TLS_CERT)'],
  ['sslv3 alert certificate expired', 'the server says that the client certificate (REDIS_TLS_CERT) has expired'],
  ['sslv3 alert bad certificate', 'the server does not accept the client certificate (REDIS_TLS_CERT)'],
  ['wrong version number', 'the server does not speak TLS'],
  ['tlsv1 alert protocol version', 'the TLS handshake failed: tlsv1 alert protocol version'],
])('the reason of a failed TLS handshake is in plain words: %s', (said, reason) => {
  expect(reasonOf(tlsError(said))).toBe(reason)
})
