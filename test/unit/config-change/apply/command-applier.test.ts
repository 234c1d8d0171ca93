import { expect, it } from '@jest/globals'
import { CommandApplier } from '../../../../src/config-change/apply/command-applier.ts'
import { CommandFault } from '../../../../src/config-change/apply/command-fault.ts'
import type { AppendResult, CommandEnd, CommandStore } from '../../../../src/config-change/ports.ts'
import { commandId, type KeyCommand } from '../../../../src/domain/commands.ts'

const key = 'user:42'
const command: KeyCommand = {
  type: 'put',
  id: commandId(key, '00000000-0000-4000-8000-000000000000'),
  key,
  actor: 'ops',
  policy: { limits: [{ name: 'default', capacity: 1, refillTokens: 1, refillIntervalMs: 1000 }], mode: 'enforce' },
}
const attempt = { isRetry: false, requestId: 'r', lease: 'held', refusal: undefined }

/** Applies the command to a log that answers as told. */
async function apply(versionAt: (attempt: number) => number, answer: (attempt: number) => AppendResult['kind']) {
  let attempts = 0
  const log = {
    state: async () => ({ version: versionAt(++attempts), policy: null }),
    failure: async () => undefined,
    append: async ({ change }: CommandEnd) => {
      const kind = answer(attempts)
      return kind === 'moved-on' ? { kind, mismatch: { key, expectedVersion: change?.expectedVersion } } : { kind }
    },
  }
  const applier = new CommandApplier({ log: log as unknown as CommandStore, now: () => new Date() })
  const outcome = await applier.apply(command, attempt).catch((err: Error) => err)
  return { outcome, attempts }
}

it('a change of a key whose state never matches its log fails soon, and says what repairs it', async () => {
  const { outcome, attempts } = await apply(
    () => 3,
    () => 'moved-on',
  )
  expect(outcome).toBeInstanceOf(CommandFault)
  expect((outcome as Error).message).toBe(
    'the stored state of the policy "user:42" does not match its event log: it reads as version 3, but changes of that ' +
      'version are refused; "throttler verify" examines it, and "throttler rebuild" repairs it',
  )
  expect(attempts).toBeLessThanOrEqual(30)
})

it('a change that loses to other changes again and again is applied all the same', async () => {
  const losses = 50
  const { outcome } = await apply(
    attempt => attempt,
    attempt => (attempt > losses ? 'appended' : 'moved-on'),
  )
  expect(outcome).toMatchObject({ status: 'applied', version: losses + 2 })
})
