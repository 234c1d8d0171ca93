/** Request and response fields, for the OpenAPI document. */

const text = (description: string, example: string | number) => ({ type: 'string', description, examples: [example] })

export const RESPONSE_FIELDS = {
  'x-request-id': text('Names the request in logs and problems: the caller’s own, if it sent one.', 'a1b2c3'),
  ratelimit: text('What is left: draft-ietf-httpapi-ratelimit-headers-11.', '"burst";r=99;t=1'),
  'ratelimit-policy': text('The limits: draft-ietf-httpapi-ratelimit-headers-11.', '"burst";q=100;w=10'),
  'retry-after': { type: 'integer', description: 'Seconds until it is worth asking again.', examples: [1] },
  'www-authenticate': text('How to log in.', 'Bearer realm="throttler"'),
  etag: text('The version of the policy.', '"3"'),
  location: text('Where the outcome of the change will be.', '/commands/2-4f09fe02-81cd-4b82-a4cb-7253acf57da9'),
  'preference-applied': text('`wait`, where the answer was waited for.', 'wait'),
} as const

export type FieldName = keyof typeof RESPONSE_FIELDS

/** The request fields of every change. */
export const CHANGE_FIELDS = {
  type: 'object',
  properties: {
    prefer: text('Wait so many seconds for the outcome, at most 60.', 'wait=5'),
    'if-match': text('Only if the policy is at one of these versions; `*`: if there is one.', '"3"'),
    'if-none-match': { type: 'string', enum: ['*'], description: 'Only if the key has no policy.' },
    'idempotency-key': text('The same key and request is the same change; kept for a day after its end.', 'deploy-42'),
    'x-change-reason': { type: 'string', maxLength: 500, description: 'Why; kept in the history.' },
  },
} as const
