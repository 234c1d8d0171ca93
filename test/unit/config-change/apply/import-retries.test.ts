import { randomUUID } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { CommandApplier } from '../../../../src/config-change/apply/command-applier.ts'
import { ImportApplier } from '../../../../src/config-change/apply/import-applier.ts'
import { recordFailure } from '../../../../src/config-change/apply/record-failure.ts'
import { importLine } from '../../../../src/config-change/import/import-line.ts'
import { type CommandId, commandId, importId, partIds } from '../../../../src/domain/command-id.ts'
import type { ImportPart, KeyCommand } from '../../../../src/domain/commands.ts'
import { configPartition } from '../../../../src/domain/partition.ts'
import { inMemoryPorts } from '../../../support/in-memory/ports.ts'
import { definitionOf } from '../../../support/policies.ts'

const PARTITION = 0
const keysWith = (prefix: string) =>
  Array.from({ length: 100 }, (_, i) => `${prefix}:${i}`).filter(key => configPartition(key) === PARTITION)
const [inFirst, inSecond, alsoInSecond, unnamed] = keysWith('user') as [string, string, string, string]
const [elsewhere] = keysWith('other') as [string]
const imported = definitionOf({ description: 'imported' })
const operator = definitionOf({ description: 'operator' })

/** A part of an import with two chunks of lines, of which a worker applied the first one and failed at the second. */
async function givenFailedPart({ prune, before = [] }: { prune?: string; before?: readonly string[] } = {}) {
  const { store, reader, staging, queue, idempotency } = inMemoryPorts()
  const now = () => new Date('2026-01-31T12:00:00.000Z')
  const import_ = importId(randomUUID())
  const id = partIds(import_)[PARTITION] as CommandId
  const part: ImportPart = { id, importId: import_, type: 'import-part', actor: 'ops', ...(prune && { prune }) }
  const importer = new ImportApplier({ reader, store, staging, queue, now })

  const change = async (key: string, type: 'put' | 'delete' = 'put') => {
    const own = { id: commandId(key, randomUUID()), key, actor: 'ops' }
    const command: KeyCommand = type === 'put' ? { ...own, type, policy: operator } : { ...own, type }
    store.lend(own.id, 'lease')
    const applier = new CommandApplier({ reader: store, store, now })
    await applier.apply(command, { isRetry: false, lease: 'lease', refusal: undefined })
  }
  const attempt = async (isRetry: boolean) => {
    const lease = randomUUID()
    store.lend(id, lease)
    return importer.apply(part, { isRetry, lease, refusal: undefined })
  }
  const fail = async () => {
    store.lend(id, 'failing')
    const failed = { id, command: part, err: new Error('damaged'), lease: 'failing' }
    expect(await recordFailure(failed, { reader, store, idempotency, isTransient: () => false })).toBe(true)
  }
  /** Ends the attempt of a worker after this many further steps, as if the worker had died. */
  const stopAfter = async (steps: number, run: () => Promise<unknown>) => {
    const append = store.appendChunk.bind(store)
    let left = steps
    store.appendChunk = async step => {
      if (left-- === 0) store.lend(id, 'of another worker')
      return append(step)
    }
    expect(await run()).toBeUndefined()
    store.appendChunk = append
  }

  for (const key of before) await change(key)
  const linesOf = (...keys: string[]) => keys.map(key => importLine({ key, policy: imported }))
  await staging.add(id, linesOf(inFirst))
  await staging.add(id, linesOf(inSecond, alsoInSecond))
  const names = [inFirst, inSecond, alsoInSecond]
  if (prune !== undefined) await staging.addNames(id, names)
  await staging.seal([{ id, chunks: 2, names: prune === undefined ? undefined : names.length }])
  await stopAfter(1, () => attempt(false))
  await fail()
  return {
    ...{ store, change, fail, stopAfter },
    retry: () => attempt(true),
    description: async (key: string) => (await reader.state(key)).policy?.description,
  }
}

const counts = { created: 3, changed: 0, unchanged: 0, deleted: 0 }
const supersededBy = (key: string) => ({
  status: 'rejected',
  error: { code: 'superseded', detail: expect.stringContaining(`the policy "${key}" was changed since it failed`) },
})

describe('a retry of a failed part of an import', () => {
  it('applies the rest if nothing has changed since', async () => {
    const { retry } = await givenFailedPart()
    expect(await retry()).toMatchObject({ status: 'applied', counts })
  })

  it('applies the rest if only another key of the partition has changed since', async () => {
    const { retry, change, description } = await givenFailedPart()
    await change(elsewhere)
    expect(await retry()).toMatchObject({ status: 'applied', counts })
    expect(await description(alsoInSecond)).toBe('imported')
    expect(await description(elsewhere)).toBe('operator')
  })

  it('keeps a change that was made since of a key that the part had applied', async () => {
    const { retry, change, description } = await givenFailedPart()
    await change(inFirst)
    expect(await retry()).toMatchObject({ status: 'applied', counts })
    expect(await description(inFirst)).toBe('operator')
  })

  it('is superseded and changes nothing if a key of the rest has changed since', async () => {
    const { retry, change, description } = await givenFailedPart()
    await change(alsoInSecond)
    expect(await retry()).toMatchObject(supersededBy(alsoInSecond))
    expect(await description(inSecond)).toBeUndefined()
    expect(await description(alsoInSecond)).toBe('operator')
  })

  it('is superseded if a key of the rest was deleted since', async () => {
    const { retry, change, description } = await givenFailedPart({ before: [inSecond] })
    await change(inSecond, 'delete')
    expect(await retry()).toMatchObject(supersededBy(inSecond))
    expect(await description(inSecond)).toBeUndefined()
  })

  it('is superseded if a key that it would prune has changed since', async () => {
    const { retry, change, description } = await givenFailedPart({ prune: 'user:' })
    await change(unnamed)
    expect(await retry()).toMatchObject(supersededBy(unnamed))
    expect(await description(unnamed)).toBe('operator')
  })

  it('prunes if only a key outside of its prefix has changed since', async () => {
    const { retry, change, description } = await givenFailedPart({ prune: 'user:', before: [unnamed] })
    await change(elsewhere)
    expect(await retry()).toMatchObject({ status: 'applied', counts: { ...counts, deleted: 1 } })
    expect([await description(unnamed), await description(elsewhere)]).toEqual([undefined, 'operator'])
  })

  it('is not superseded by its own changes if its worker dies in between', async () => {
    const { retry, stopAfter } = await givenFailedPart({ prune: 'user:', before: [unnamed] })
    await stopAfter(1, retry)
    expect(await retry()).toMatchObject({ status: 'applied', counts: { ...counts, deleted: 1 } })
  })

  it('is superseded by a change that was made before the part failed once more', async () => {
    const { retry, change, fail, description } = await givenFailedPart()
    await change(inSecond)
    await fail()
    expect(await retry()).toMatchObject(supersededBy(inSecond))
    expect(await description(inSecond)).toBe('operator')
  })

  it('is superseded if the event log now ends before the failure', async () => {
    const { retry, store } = await givenFailedPart()
    store.replaceLog(PARTITION)
    expect(await retry()).toMatchObject({
      error: { code: 'superseded', detail: expect.stringContaining('the event log has lost events since it failed') },
    })
  })
})
