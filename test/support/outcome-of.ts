import type { BucketCheck, CheckGroup, GroupReading, KeyStore, SettlementResult } from '../../src/check/ports.ts'
import { answerOf } from './answer-of.ts'
import { finished } from './finished.ts'
import type { Call } from './reservation-histories.ts'
import type { Outcome } from './reservation-oracle.ts'

/** Makes a call, and returns its outcome in the form of the oracle. */
export async function outcomeOf(store: KeyStore, call: Call): Promise<Outcome> {
  switch (call.what) {
    case 'check': {
      const [reading] = await store.check([call.check])
      return reading && answerOf(call.check, reading)
    }
    case 'group': {
      const [reading] = await store.checkAll([call.group])
      return reading && groupOutcome(call.group, reading)
    }
    case 'settle': {
      const result = await finished(() => store.settle([call.settlement]))
      return result && settledOutcome(result)
    }
    case 'extend': {
      return finished(() => store.extend([call.extension]))
    }
    case 'read': {
      const reservation = await finished(() => store.read([call.id]))
      if (reservation === null || reservation === undefined) return undefined
      const { status, expiresAtMs, keys } = reservation
      return { status, expiresAtMs, keys: keys.map(({ policy: _, ...key }) => key) }
    }
    case 'reset':
      await store.reset(call.key)
      return undefined
  }
}

function groupOutcome({ checks }: CheckGroup, { allowed, readings, reservation, refusal }: GroupReading): Outcome {
  return {
    allowed,
    answers: readings.map((reading, i) => answerOf(checks[i] as BucketCheck, reading)),
    ...(reservation && { expiresAtMs: reservation.expiresAtMs }),
    ...(refusal && { refusal: refusal.reason }),
  }
}

function settledOutcome(result: SettlementResult): Outcome {
  if (result.status === 'keys-differ') return { status: result.status }
  if (result.status !== 'settled' && result.status !== 'released') return result
  return {
    status: result.status,
    keys: result.keys.map(({ key, tokens, charged, policy, reading }) => ({
      key,
      tokens,
      charged,
      ...(reading && { answer: answerOf({ key, policy, tokens: 0 }, reading) }),
    })),
  }
}
