/** Request and response fields, for the OpenAPI document. */

const text = (description: string, example: string | number) => ({ type: 'string', description, examples: [example] })

export const RESPONSE_FIELDS = {
  'x-request-id': text('Id of the request in logs and problems. Repeats the caller’s own id if it sent one.', 'a1b2c3'),
  ratelimit: text('What is left of each limit (draft-ietf-httpapi-ratelimit-headers-11).', '"burst";r=99;t=1'),
  'ratelimit-policy': text('The limits of the policy (draft-ietf-httpapi-ratelimit-headers-11).', '"burst";q=100;w=10'),
  'retry-after': { type: 'integer', description: 'Seconds after which to try again.', examples: [1] },
  'www-authenticate': text('How to authenticate.', 'Bearer realm="throttler"'),
  etag: text('The version of the policy.', '"3"'),
  location: text(
    'Where the status of the change, or of the reservation, is.',
    '/commands/2-4f09fe02-81cd-4b82-a4cb-7253acf57da9',
  ),
  'preference-applied': text('`wait` if the response waited for the outcome.', 'wait'),
} as const

export type FieldName = keyof typeof RESPONSE_FIELDS

const SUBMISSION_FIELDS = {
  prefer: text('`wait=5` waits up to 5 seconds for the outcome; at most 60.', 'wait=5'),
  'idempotency-key': text(
    'Repeating a request with the same key returns the original change, until `COMMAND_RETENTION_MS` (by default a day) after it ended.',
    'deploy-42',
  ),
  'x-change-reason': { type: 'string', maxLength: 500, description: 'Why the policy is changed; kept in its history.' },
} as const

const CONDITION_FIELDS = {
  'if-match': text(
    'Applies the change only if the policy is at one of these versions; with `*`, if there is one.',
    '"3"',
  ),
  'if-none-match': { type: 'string', enum: ['*'], description: 'Applies the change only if the key has no policy.' },
} as const

/** The request field of a reservation. */
export const RESERVATION_FIELDS = {
  type: 'object',
  properties: {
    'idempotency-key': text(
      'Repeating a request that was allowed with the same key returns the same reservation, until ten minutes after its end.',
      'job-42',
    ),
  },
} as const

/** The request fields of a change of one policy. */
export const CHANGE_FIELDS = { type: 'object', properties: { ...SUBMISSION_FIELDS, ...CONDITION_FIELDS } } as const

/** The request fields of an import. */
export const IMPORT_FIELDS = { type: 'object', properties: SUBMISSION_FIELDS } as const
