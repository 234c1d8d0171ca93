import { type Static, Type } from '@sinclair/typebox'
import { ERRORS, type ErrorCode } from '../lib/errors.ts'

const FieldErrorResponse = Type.Object(
  {
    path: Type.String({ description: 'JSON pointer to the field, such as `/tokens`.' }),
    message: Type.String({ description: 'What is allowed there, and what was given.' }),
  },
  { title: 'FieldError', description: 'One invalid field of a request.' },
)

/** Problem details (RFC 9457), with further members that depend on the code. */
export const ProblemResponse = Type.Object(
  {
    type: Type.String({ description: 'URI of the kind of problem.' }),
    title: Type.String({ description: 'The kind of problem in a few words; the same for every problem of a code.' }),
    status: Type.Integer({ description: 'HTTP status code.' }),
    detail: Type.String({ description: 'What was given, and what is allowed.' }),
    instance: Type.String({ description: '`urn:request:` followed by the `x-request-id`.' }),
    code: Type.Unsafe<ErrorCode>({
      type: 'string',
      enum: Object.keys(ERRORS),
      description: 'Code of the error; it never changes its meaning. `/docs/errors.md` explains each code.',
    }),
    errors: Type.Optional(
      Type.Array(FieldErrorResponse, {
        description:
          'The invalid fields, if the code is about fields: at most 20, and of a batch one for each invalid check. `detail` says ' +
          'how many there are.',
      }),
    ),
  },
  {
    title: 'Problem',
    description: 'Problem details (RFC 9457). Some codes add members, such as `line` or `commandId`.',
    additionalProperties: true,
  },
)
export type ProblemResponse = Static<typeof ProblemResponse>
