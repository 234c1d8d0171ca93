import { expect } from '@jest/globals'
import type { Client } from './client.ts'
import { eventually } from './eventually.ts'

export const HOSTILE_KEYS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '\u202Eevil\u202C',
  'שלום:42',
  ' a\u200Bb ',
  'a/../b?c#d%2F&e',
  'W'.repeat(256),
]
export const ABUSER = 'user:7'
const limit = (name: string, capacity: number) => ({ name, capacity, refillTokens: 1, refillIntervalMs: 3_600_000 })
export const FIRST = { limits: [limit('burst', 10)] }
export const SECOND = {
  limits: [limit('burst', 20), { ...limit('stricter', 5), shadow: true }],
  description: 'everybody',
}

/** The views by name: where they are, and a text that each shows. */
export const VIEWS = [
  ['the overview', '#/overview', 'closed'],
  ['who is limited', '#/limited', ABUSER],
  ['a key', `#/key?key=${ABUSER}`, 'burst'],
  ['the policies', '#/policies', 'user:*'],
  ['a policy', '#/policy?key=user:*', 'the second reason'],
] as const

export const OUTAGE = { code: 'store-unavailable', title: 'Unavailable', status: 503, detail: 'the store is on fire' }

/** The paths from which the views load. */
export const CALLED = ['/stats', '/top', '/config', '/health', '/buckets', '/denials'] as const

/** Stores policies, and denies checks, until the service reports them. */
export async function seed(admin: Client): Promise<void> {
  await admin.put('user:*', FIRST, { 'x-change-reason': 'the first reason' })
  await admin.put('user:*', SECOND, { 'x-change-reason': 'the second reason' })
  await admin.put('tiny', { limits: [limit('tiny', 1)] })
  await admin.put('blocked:*', { mode: 'block' })
  const tiny = HOSTILE_KEYS.flatMap(key => [
    { key, policy: 'tiny' },
    { key, policy: 'tiny' },
  ])
  await admin.request('POST', '/check/batch', { checks: [...new Array(50).fill({ key: ABUSER }), ...tiny] })
  await eventually(async () => {
    expect((await admin.get('/top?by=denied')).body.items).toHaveLength(1 + HOSTILE_KEYS.length)
  })
  await denialsOf(admin, ABUSER)
}

/** Resolves once denials of a key are reported. */
export async function denialsOf(admin: Client, key: string): Promise<void> {
  await eventually(async () => {
    expect((await admin.get(`/denials?key=${key}`)).body.items).not.toEqual([])
  })
}

const STATS = { from: '2026-01-31T12:00:00.000Z', to: '2026-01-31T12:00:10.000Z', stepSeconds: 5 }
export const NO_CHECKS = { ...STATS, series: { allowed: [0, 0], denied: [0, 0], shadowed: [0, 0], error: [0, 0] } }
export const NO_KEYS = { ...STATS, items: [], maxError: 0 }
