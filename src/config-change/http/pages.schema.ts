import { Type } from '@sinclair/typebox'

const page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the page before.' })),
}

export const PageQuery = Type.Object(page, { additionalProperties: false })

export const ListQuery = Type.Object(
  { prefix: Type.String({ default: '', description: 'Only config keys with this prefix.' }), ...page },
  { additionalProperties: false },
)

export const nextCursor = Type.Optional(Type.String())
