/** What the pictures of the console show. */
import type { Client } from './client.ts'
import type { OpenConsole } from './console.ts'
import { CALLED, denialsOf, NO_CHECKS, NO_KEYS, OUTAGE } from './console-data.ts'

const limit = (name: string, capacity: number) => ({ name, capacity, refillTokens: 1, refillIntervalMs: 3_600_000 })
const PER_SECOND = { name: 'burst', capacity: 100, refillTokens: 10, refillIntervalMs: 1_000 }
const MONTHLY = { name: 'monthly', kind: 'quota', capacity: 1_000_000, period: 'month', timeZone: 'Europe/Berlin' }

export const PICTURED_KEY = 'user:42'
export const PICTURED_POLICY = 'user:*'
const FIRST = { limits: [limit('burst', 10)], description: 'Everybody' }
const SECOND = { ...FIRST, limits: [limit('burst', 20), { ...limit('stricter', 5), shadow: true }] }
const INCIDENT = { limits: [PER_SECOND], expiresAt: new Date(Date.now() + 86_400_000).toISOString() }

/** Stores policies with a history, and denies checks of one key until the service reports it. */
export async function seedPictured(admin: Client): Promise<void> {
  const put = (key: string, policy: object, reason: string) => admin.put(key, policy, { 'x-change-reason': reason })
  await put(PICTURED_POLICY, FIRST, 'A start for everybody')
  await put(PICTURED_POLICY, SECOND, 'More for everybody, and a stricter limit on trial')
  await put('plan:gold', { limits: [PER_SECOND, MONTHLY] }, 'The new plan')
  await put('ip:203.0.113.7', { mode: 'block' }, 'Scrapes the catalogue')
  await put('search:*', INCIDENT, 'The search is slow until tomorrow')
  await admin.request('POST', '/check/batch', { checks: new Array(22).fill({ key: PICTURED_KEY }) })
  await denialsOf(admin, PICTURED_KEY)
}

const hourOf = (count: (minute: number) => number) =>
  Array.from({ length: 60 }, (_, minute) => Math.round(60 * count(minute)))
const HOUR = { from: '2026-01-31T12:00:00.000Z', to: '2026-01-31T13:00:00.000Z' }
const STATS = {
  ...HOUR,
  stepSeconds: 60,
  series: {
    allowed: hourOf(minute => 320 + 40 * Math.sin(minute / 9) + 12 * Math.sin(minute * 2)),
    denied: hourOf(minute => (minute > 38 ? 140 + 25 * Math.sin(minute) : 14 + 5 * Math.sin(minute * 3))),
    shadowed: hourOf(minute => 45 + 9 * Math.sin(minute / 4)),
    error: hourOf(() => 0),
  },
}
const COUNTS = [48_211, 9_120, 1_841, 977, 412, 96, 31]
const TOP = {
  ...HOUR,
  maxError: 12,
  items: COUNTS.map((count, i) => ({
    key: ['ip:203.0.113.7', PICTURED_KEY, 'user:7', 'search:acme', 'user:1843', 'user:99', 'search:initech'][i],
    policy: ['ip:203.0.113.7', 'user:*', 'user:*', 'search:*', 'user:*', 'user:*', 'search:*'][i],
    count,
  })),
}

/** The views: where they are, and a text that each shows once it is loaded. */
export const PICTURED_VIEWS = [
  ['Overview', '#/overview', 'closed'],
  ['Who is limited', '#/limited', 'ip:203.0.113.7'],
  ['A key', `#/key?key=${PICTURED_KEY}`, 'A sample: at most one'],
  ['Policies', '#/policies', 'plan:gold'],
  ['A policy', `#/policy?key=${PICTURED_POLICY}`, 'A start for everybody'],
] as const

/** Figures of a busy hour in place of those of a test. */
export async function showBusyHour(open: OpenConsole): Promise<void> {
  await open.answer('/stats', 200, STATS)
  await open.answer('/top', 200, TOP)
}

/** There were no checks. */
export async function showNothing(open: OpenConsole): Promise<void> {
  await open.answer('/stats', 200, NO_CHECKS)
  await open.answer('/top', 200, NO_KEYS)
}

/** The views where there is nothing, with a text that each shows. */
export const EMPTY_VIEWS = [
  ['Overview', '#/overview', 'No checks in this time.'],
  ['Who is limited', '#/limited', 'Nothing was counted since'],
  ['A key', '#/key?key=new', 'No denial of this key was recorded.'],
  ['Policies', '#/policies?prefix=new', 'No stored config key begins'],
  ['A policy', '#/policy?key=new', 'There never was a policy'],
] as const

/** Every call fails. */
export async function showOutage(open: OpenConsole): Promise<void> {
  for (const path of CALLED)
    await open.answer(path, 503, { ...OUTAGE, detail: 'the bucket store is unavailable; try again' })
}
export const OUTAGE_VIEWS = PICTURED_VIEWS.map(
  ([title, place]) => [title, place, 'the bucket store is unavailable'] as const,
)
