import { expect, it } from '@jest/globals'
import { IdempotencyKeys } from '../../../../src/config-change/idempotency-keys.ts'
import type { CommandQueue, IdempotencyStore, ImportStaging } from '../../../../src/config-change/ports.ts'
import { CommandSubmitter } from '../../../../src/config-change/submit/command-submitter.ts'
import { OutcomeWaiters } from '../../../../src/config-change/submit/outcome-waiters.ts'
import { importId, partIds } from '../../../../src/domain/commands.ts'

/** An import that is submitted to this queue. Tells for which parts lines are kept. */
async function submitTo(add: CommandQueue['add']): Promise<readonly string[]> {
  const kept: string[] = []
  const staging = { keep: async (ids: readonly string[]) => void kept.push(...ids) }
  const submitter = new CommandSubmitter({
    queue: { add } as CommandQueue,
    waiters: new OutcomeWaiters({ find: async () => undefined }),
    names: new IdempotencyKeys({} as IdempotencyStore),
    staging: staging as ImportStaging,
    findResult: async () => undefined,
  })
  const asked = { id, actor: 'ops', requestId: 'r', fingerprint: 'f' }
  const options = { waitMs: 0, idempotencyKey: undefined }
  await submitter.submitImport(asked, options).catch(() => undefined)
  return kept
}

const id = importId('00000000-0000-4000-8000-000000000000')

it('keeps the lines of an import once something in the queue asks for them', async () => {
  expect(await submitTo(async () => undefined)).toEqual(partIds(id))
})

it('lets the lines of an import expire when it could not be queued', async () => {
  const away = async () => {
    throw new Error('Connection is closed.')
  }
  expect(await submitTo(away)).toEqual([])
})
