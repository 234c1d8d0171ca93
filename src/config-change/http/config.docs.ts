import type { RouteDocs } from '../../http/route-docs.ts'
import { NDJSON } from '../import/ndjson.ts'

/** The parts of the OpenAPI description of `/config` that schemas do not contain. */
const changeFields = {
  200: ['etag', 'preference-applied'],
  201: ['etag', 'preference-applied'],
  202: ['location', 'preference-applied'],
  204: ['preference-applied'],
} as const

const changeErrors = ['key-reserved', 'version-conflict', 'idempotency-key-reused', 'config-store-unavailable'] as const

export const PUT_DOCS: RouteDocs = {
  summary: 'Replace the policy of a key',
  errors: changeErrors,
  fields: changeFields,
}

export const DELETE_DOCS: RouteDocs = {
  summary: 'Delete the policy of a key',
  errors: [...changeErrors, 'policy-not-found'],
  fields: changeFields,
}

export const ROLLBACK_DOCS: RouteDocs = {
  summary: 'Restore an earlier version of a policy',
  errors: [...changeErrors, 'version-not-found', 'version-is-deletion'],
  fields: changeFields,
}

export const GET_DOCS: RouteDocs = {
  summary: 'The policy of a key, or one of its versions',
  errors: ['key-reserved', 'policy-not-found', 'version-not-found', 'config-store-unavailable'],
  fields: { 200: ['etag'] },
}

export const HISTORY_DOCS: RouteDocs = {
  summary: 'Every event of a key, oldest first',
  errors: ['key-reserved', 'cursor-invalid', 'policy-not-found', 'config-store-unavailable'],
}

export const LIST_DOCS: RouteDocs = {
  summary: 'All policies, page by page',
  errors: ['cursor-invalid', 'config-store-unavailable'],
}

const EXAMPLE_LINE =
  '{"key":"user:*","limits":[{"name":"default","capacity":100,"refillTokens":10}],"mode":"enforce"}\n'

export const EXPORT_DOCS: RouteDocs = {
  summary: 'All policies, one per line',
  errors: ['config-store-unavailable'],
  responses: { 200: { mediaType: NDJSON, example: EXAMPLE_LINE } },
}

export const IMPORT_DOCS: RouteDocs = {
  summary: 'Replace the policies of many keys',
  body: { mediaType: NDJSON, example: EXAMPLE_LINE },
  errors: ['import-invalid', 'idempotency-key-reused', 'config-store-unavailable'],
  fields: { 200: ['preference-applied'], 202: ['location', 'preference-applied'] },
}
