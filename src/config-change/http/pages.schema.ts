import { Type } from '@sinclair/typebox'

const page = {
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Entries per page.' }),
  cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the previous page.' })),
}

export const PageQuery = Type.Object(page, { additionalProperties: false })

export const ListQuery = Type.Object(
  { prefix: Type.String({ default: '', description: 'Returns only config keys with this prefix.' }), ...page },
  { additionalProperties: false },
)

export const nextCursor = Type.Optional(
  Type.String({ description: 'The `cursor` of the next page. Absent on the last page.' }),
)
