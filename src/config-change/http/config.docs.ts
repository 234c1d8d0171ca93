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
  summary: 'Replace a policy',
  description:
    'Stores the policy under a config key, in place of the one it has. The change is queued, and applied in the order of ' +
    'the changes of its key: 202 with the id of the command, or its outcome with `Prefer: wait`. A policy with `expiresAt` ' +
    'ends by itself, and `then` follows it.',
  errors: changeErrors,
  fields: changeFields,
}

export const DELETE_DOCS: RouteDocs = {
  summary: 'Delete a policy',
  description:
    'Keys that it matched then have the policy of a shorter prefix, or the built-in one. Queued and answered like a `PUT`.',
  errors: [...changeErrors, 'policy-not-found'],
  fields: changeFields,
}

export const ROLLBACK_DOCS: RouteDocs = {
  summary: 'Roll back a policy',
  description:
    'Makes a new version that equals an earlier one, with its end and what follows if it was temporary. Queued and answered ' +
    'like a `PUT`.',
  errors: [...changeErrors, 'version-not-found', 'version-is-deletion'],
  fields: changeFields,
}

export const GET_DOCS: RouteDocs = {
  summary: 'Get a policy',
  description:
    'Returns the current version, or the one that `version` asks for. Once a temporary policy has ended, that is what follows ' +
    'it, and the `ETag` is for instance `"2-ended"` until the end is recorded.',
  errors: ['key-reserved', 'policy-not-found', 'version-not-found', 'config-store-unavailable'],
  fields: { 200: ['etag'] },
}

export const HISTORY_DOCS: RouteDocs = {
  summary: 'List the changes of a policy',
  description: 'Who changed it, when, why and to what; oldest first.',
  errors: ['key-reserved', 'cursor-invalid', 'policy-not-found', 'config-store-unavailable', 'draining'],
}

export const LIST_DOCS: RouteDocs = {
  summary: 'List policies',
  errors: ['cursor-invalid', 'config-store-unavailable', 'draining'],
}

const EXAMPLE_LINE =
  '{"key":"user:*","limits":[{"name":"default","capacity":100,"refillTokens":10}],"mode":"enforce"}\n'

const POLICY_LINES = {
  mediaType: NDJSON,
  description: 'One policy per line, with its config key as `key`.',
  example: EXAMPLE_LINE,
}

export const EXPORT_DOCS: RouteDocs = {
  summary: 'Export all policies',
  description: 'One line of JSON for each policy, in byte order of the config keys.',
  errors: ['config-store-unavailable', 'draining'],
  responses: { 200: POLICY_LINES },
}

export const IMPORT_DOCS: RouteDocs = {
  summary: 'Import policies',
  description:
    'Replaces the policies of the config keys in a file, and leaves all others, except those that `prune` deletes. The file ' +
    'has the format of the export. If a line is invalid, nothing is imported.',
  body: POLICY_LINES,
  errors: ['import-invalid', 'idempotency-key-reused', 'config-store-unavailable', 'draining'],
  fields: { 200: ['preference-applied'], 202: ['location', 'preference-applied'] },
}
