import { type Static, Type } from '@sinclair/typebox'
import type { ImportId } from '../../domain/command-id.ts'
import type { ChangeEffect, ImportCounts } from '../../domain/outcome.ts'
import { MAX_DIFFERENCES } from '../import/dry-run-import.ts'
import { definitionOrNull } from './policy-json.ts'

export const ImportQuery = Type.Object(
  {
    prune: Type.Optional(
      Type.String({
        description:
          'Deletes the policies of config keys with this prefix that the file does not name. `user:` and `user:*` are the ' +
          'same, `*` is all. Every line must have the prefix. A temporary policy in force stays until its end, and nothing follows it.',
        examples: ['user:'],
      }),
    ),
    dryRun: Type.Boolean({ default: false, description: 'Returns what would change, and changes nothing.' }),
  },
  { additionalProperties: false },
)

const commandId = Type.String({ description: 'Id of the command, for `GET /commands/{id}`.' })

const ImportResultResponse = Type.Object(
  {
    commandId,
    status: Type.Literal('applied', { description: 'Every policy of the file is in force.' }),
    created: Type.Integer({ description: 'Policies whose config key had none.' }),
    changed: Type.Integer({ description: 'Policies that replaced another one.' }),
    unchanged: Type.Integer({ description: 'Policies that were stored already.' }),
    deleted: Type.Integer({ description: 'Policies that were pruned.' }),
  },
  { title: 'ImportResult', description: 'What an import did.' },
)

const DifferenceResponse = Type.Object(
  {
    key: Type.String({ description: 'The config key.' }),
    type: Type.Unsafe<ChangeEffect>({
      type: 'string',
      enum: ['created', 'changed', 'deleted'],
      description: 'What the import would do to the policy.',
    }),
    from: definitionOrNull('The current policy. `null` if the key has none.'),
    to: definitionOrNull('The policy that the import would store. `null` if it would delete the policy.'),
  },
  { title: 'ImportDifference', description: 'What an import would do to one policy.' },
)

const ImportDryRunResponse = Type.Object(
  {
    created: Type.Integer({ description: 'Policies whose config key has none.' }),
    changed: Type.Integer({ description: 'Policies that would replace another one.' }),
    unchanged: Type.Integer({ description: 'Policies that are stored already.' }),
    deleted: Type.Integer({ description: 'Policies that would be pruned.' }),
    differences: Type.Array(DifferenceResponse, {
      description: `The first ${MAX_DIFFERENCES}: those of the lines in their order, then those of the pruned keys.`,
    }),
    truncated: Type.Optional(Type.Literal(true, { description: 'There are more differences than listed.' })),
  },
  { title: 'ImportDryRun', description: 'What an import would do.' },
)
export const importResponses = {
  200: Type.Union([ImportResultResponse, ImportDryRunResponse]),
  202: Type.Object(
    { commandId, status: Type.Literal('queued', { description: 'The import waits to be applied.' }) },
    { title: 'AcceptedImport', description: 'An import that was accepted, and is applied later.' },
  ),
}

export function resultBody(commandId: ImportId, counts: ImportCounts): Static<typeof ImportResultResponse> {
  return { commandId, status: 'applied', ...counts }
}
