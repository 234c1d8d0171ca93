import { describe, expect, it } from '@jest/globals'
import { CommandStatuses } from '../../../../src/config-change/submit/command-statuses.ts'
import { type CommandId, importId, partIds } from '../../../../src/domain/command-id.ts'
import { inMemoryPorts } from '../../../support/in-memory/ports.ts'

const id = importId('00000000-0000-4000-8000-000000000000')
const [first, ...others] = partIds(id) as [CommandId, ...CommandId[]]
const counts = { created: 1, changed: 0, unchanged: 0, deleted: 0 }

function given() {
  const { store, queue } = inMemoryPorts()
  return {
    statuses: new CommandStatuses(queue, store),
    store,
    enqueue: (part: CommandId) => queue.add({ id: part, importId: id, type: 'import-part', actor: 'ops' }),
    end: (part: CommandId) => store.append({ outcome: { id: part, status: 'applied', counts }, lease: '' }),
  }
}

describe('the status of an import', () => {
  it('is that of all of its parts once they have ended', async () => {
    const { statuses, end } = given()
    for (const part of [first, ...others]) await end(part)
    expect(await statuses.of(id)).toEqual({ id, status: 'applied', counts: { ...counts, created: 4 } })
  })

  it('is queued while a part of it is', async () => {
    const { statuses, end, enqueue } = given()
    for (const part of others) await end(part)
    await enqueue(first)
    expect(await statuses.of(id)).toEqual({ id, status: 'queued' })
  })

  it.each([
    ['rejected', { code: 'superseded', detail: 'changed' }],
    ['failed', { code: 'internal', detail: 'damaged' }],
  ] as const)('is %s if a part of it is, with what the other parts changed', async (status, error) => {
    const { statuses, store, end } = given()
    for (const part of others) await end(part)
    if (status === 'rejected') await store.append({ outcome: { id: first, status, error }, lease: '' })
    else {
      store.lend(first, 'lease')
      await store.recordFailure({ id: first, status, error, revisionAtFailure: 0 }, 'lease')
    }
    expect(await statuses.of(id)).toEqual({ id, status, error, counts: { ...counts, created: 3 } })
  })

  it('is unknown if the store has lost a part of it', async () => {
    const { statuses, end } = given()
    for (const part of others) await end(part)
    expect(await statuses.of(id)).toBeUndefined()
  })

  it('is queued if a part of it was queued while the others were read', async () => {
    const { statuses, store, end, enqueue } = given()
    for (const part of others) await end(part)
    const read = store.result.bind(store)
    store.result = async part => {
      const result = await read(part)
      await enqueue(first)
      return result
    }
    expect(await statuses.of(id)).toEqual({ id, status: 'queued' })
  })
})
