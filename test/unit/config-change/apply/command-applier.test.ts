import { expect, it } from '@jest/globals'
import { CommandApplier } from '../../../../src/config-change/apply/command-applier.ts'
import { CommandFault } from '../../../../src/config-change/apply/command-fault.ts'
import type { AppendResult, CommandEnd } from '../../../../src/config-change/ports.ts'
import { commandId } from '../../../../src/domain/command-id.ts'
import type { KeyCommand } from '../../../../src/domain/commands.ts'
import type { PolicyState } from '../../../../src/domain/decider.ts'
import { InMemoryPolicyStore } from '../../../support/in-memory/policy-store.ts'
import { definitionOf } from '../../../support/policies.ts'

const key = 'user:42'
const id = commandId(key, '00000000-0000-4000-8000-000000000000')
const command: KeyCommand = { type: 'put', id, key, actor: 'ops', policy: definitionOf() }
const attempt = { isRetry: false, lease: 'held', refusal: undefined }
const now = () => new Date()

/** A store in which another change precedes each append, up to a number of times. */
class ContendedStore extends InMemoryPolicyStore {
  #losses: number
  attempts = 0

  constructor(losses: number) {
    super()
    this.#losses = losses
  }

  override async append(end: CommandEnd): Promise<AppendResult> {
    this.attempts++
    if (this.#losses-- > 0) await this.#changeFirst(end)
    return super.append(end)
  }

  async #changeFirst({ change }: CommandEnd): Promise<void> {
    const event = change?.event
    if (event === undefined) return
    const other = commandId(key, crypto.randomUUID())
    const outcome = { id: other, key, status: 'applied', version: event.version, effect: 'changed' } as const
    const policy = definitionOf({ description: `${this.attempts}` })
    await super.append({
      outcome,
      lease: '',
      change: { ...change, key, expectedVersion: event.version - 1, event: { ...event, policy } },
    })
  }
}

/** A store whose index of versions does not match its log. */
class MismatchedStore extends InMemoryPolicyStore {
  attempts = 0

  override async state(): Promise<PolicyState> {
    this.attempts++
    return { version: 3, policy: null }
  }
}

it('a change of a key whose state never matches its log fails soon, with an error that names the repair', async () => {
  const store = new MismatchedStore()
  store.lend(id, 'held')
  const failure = new CommandApplier({ reader: store, store, now }).apply(command, attempt)
  await expect(failure).rejects.toThrow(
    new CommandFault(
      'the stored state of the policy "user:42" does not match its event log: it reads as version 3, but changes of that ' +
        'version are refused; "throttler verify" examines it, and "throttler rebuild" repairs it',
    ),
  )
  expect(store.attempts).toBeLessThanOrEqual(30)
})

it('the end of a policy is recorded after a failure, also if the version at the failure could not be read', async () => {
  const store = new InMemoryPolicyStore()
  store.lend(id, 'held')
  const applier = new CommandApplier({ reader: store, store, now })
  const policy = { ...definitionOf(), expiresAt: '2020-01-31T12:00:00.000Z', then: null }
  const event = { schema: 2, key, version: 1, type: 'created', at: now().toISOString(), actor: 'ops' } as const
  const outcome = { id: commandId(key, crypto.randomUUID()), key, status: 'applied', version: 1 } as const
  await store.append({
    outcome: { ...outcome, effect: 'created' },
    lease: '',
    change: { key, expectedVersion: 0, event: { ...event, commandId: outcome.id, policy } },
  })
  const error = { code: 'internal', detail: 'damaged' } as const
  await store.recordFailure({ id, key, status: 'failed', error, revisionAtFailure: null }, 'held')
  const expire: KeyCommand = { type: 'expire', id, key, actor: 'throttler', version: 1 }
  expect(await applier.apply(expire, attempt)).toMatchObject({ status: 'applied', version: 2 })
})

it('a change that loses to other changes many times is still applied', async () => {
  const losses = 50
  const store = new ContendedStore(losses)
  store.lend(id, 'held')
  const outcome = await new CommandApplier({ reader: store, store, now }).apply(command, attempt)
  expect(outcome).toMatchObject({ status: 'applied', version: losses + 1 })
  expect(await store.keyRevision(key)).toBe(losses + 1)
})
