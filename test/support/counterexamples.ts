import type { Limit } from '../../src/domain/limits/limit.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import type { History } from './bucket-histories.ts'
import type { ReservationHistory } from './reservation-histories.ts'

/** Histories that earlier code answered wrongly. */
export const counterexamples: [History][] = [
  // The script read past the end of a bucket of one limit when it looked for the third limit of a policy.
  [
    {
      policies: [[perSecond('a')], [perSecond('b'), perSecond('c'), perSecond('d')]],
      batches: [
        { move: { by: 0 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 1 } }] },
        { move: { by: 1 }, checks: [{ key: 'x', policy: 1, wish: { tokens: 1 } }] },
      ],
    },
  ],
  // When the clock went back by more than 10 s, the time of the last spending followed it, but not the time at which the bucket
  // is forgotten. So a slower policy could restore what was spent.
  [
    {
      policies: [[perSecond('a')], [{ name: 'a', capacity: 5, refillTokens: 1, refillIntervalMs: 1_000_000 }]],
      batches: [
        { move: { by: 0 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 5 } }] },
        { move: { by: -60_000 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 0 } }] },
        { move: { by: 5_000 }, checks: [{ key: 'x', policy: 1, wish: { tokens: 5 } }] },
      ],
    },
  ],
  // 999,999,998 ÷ 999,999,999 is less than 999,999,999 ÷ 1,000,000,000, but not as doubles: the wrong limit was binding.
  [
    {
      policies: [
        [
          { name: 'a', capacity: 1_000_000_000, refillTokens: 1, refillIntervalMs: 1 },
          { name: 'b', capacity: 999_999_999, refillTokens: 1, refillIntervalMs: 1 },
        ],
      ],
      batches: [{ move: { by: 0 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 1 } }] }],
    },
  ],
  // The clock of the front process was a day behind, and the store's went back across midnight: the script did not know the period of
  // the last spending.
  [
    {
      policies: [[{ name: 'a', kind: 'quota', capacity: 2, period: 'day', timeZone: 'UTC' }]],
      batches: [
        { move: { by: -9_999 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 2 } }] },
        { move: { until: 'resetAfterMs', plus: 1 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 1 } }] },
        { move: { by: -2 }, frontAheadMs: -86_400_000, checks: [{ key: 'x', policy: 0, wish: { tokens: 0 } }] },
      ],
    },
  ],
  // The clock went over the end of a period and back: the bucket was forgotten, and the period granted again.
  [
    {
      policies: [[{ name: 'a', kind: 'quota', capacity: 2, period: 'day', timeZone: 'UTC' }]],
      batches: [
        { move: { by: 0 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 2 } }] },
        { move: { until: 'resetAfterMs', plus: 1_000 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 0 } }] },
        { move: { by: -7_000 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 1 } }] },
      ],
    },
  ],
  // The test expected a time to the millisecond that had been beyond 2^53, before the clock went back by 80 years.
  [
    {
      policies: [
        [{ name: 'a', refillTokens: 1, refillIntervalMs: 1, capacity: 1_000_000_000 }],
        [{ name: 'a', refillTokens: 1, refillIntervalMs: 2_678_400_000, capacity: 3_362_902 }],
      ],
      batches: [
        {
          move: { by: 86_400_000 },
          checks: [
            { key: 'z', policy: 1, wish: { quarters: 4 } },
            { key: 'x', policy: 0, wish: { quarters: 1 } },
          ],
        },
        { move: { by: 1_261_440_000_000 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 0 } }] },
        { move: { by: 1_261_440_000_000 }, checks: [{ key: 'z', policy: 1, wish: { tokens: 1 } }] },
        { move: { to: 1_767_225_600_000 }, checks: [{ key: 'z', policy: 0, wish: { ofWhatIsLeft: 1 } }] },
      ],
    },
  ],
  // A simulation took a check by a policy of concurrency limits alone for a spending, so the refill paused when the clock went back.
  [
    {
      policies: [[{ name: 'a', kind: 'concurrency', capacity: 1 }], [perMs('a')]],
      batches: [
        { move: { by: 86_400_000 }, checks: [{ key: 'x', policy: 0, wish: { tokens: 1 } }] },
        { move: { by: -9_999 }, checks: [{ key: 'x', policy: 1, wish: { tokens: 1 } }] },
        { move: { by: 1 }, checks: [{ key: 'x', policy: 1, wish: { tokens: 1 } }] },
      ],
    },
  ],
]

function perSecond(name: string): Limit {
  return { name, capacity: 5, refillTokens: 1, refillIntervalMs: 1_000 }
}

function perMs(name: string): TokenBucketLimit {
  return { name, capacity: 1, refillTokens: 1, refillIntervalMs: 1 }
}

/** Histories of reservations that earlier code answered wrongly. */
export const reservationCounterexamples: [ReservationHistory][] = [
  // A reservation by a policy without spent limits was charged to limits that had spent before it was made, beside those of another policy.
  [withSlots(spending(1), spending(2), slotTaken(), deadlinePassed())],
  // A late settlement was charged to limits that no reservation was made by, and that were not in force.
  [
    withSlots(spending(1), slotTaken(), deadlinePassed(), spending(2), {
      move: { by: 0 },
      deed: { what: 'settle', of: 0, policy: 0, amount: { tokens: 1 } },
    }),
  ],
  // The clock went back before the deadline was set, to the period before that of the last spending.
  [
    {
      policies: [[{ name: 'a', kind: 'quota', capacity: 1, period: 'minute' }]],
      overdrafts: [false],
      startMs: 1_760_000_040_000,
      deeds: [
        slotTaken(),
        { move: { by: -1_001 }, deed: { what: 'extend', of: 0, ttlMs: undefined } },
        { move: { by: 1_500 }, deed: { what: 'check', check: asked(0, 1), givesBack: false } },
      ],
    },
  ],
  // Once a limit had refilled so far that its holds could be charged in full, the bucket was still kept for late settlements.
  [
    {
      policies: [
        [slots(2), { ...perMs('d'), shadow: true }],
        [perMs('d'), slots(2)],
      ],
      overdrafts: [false, true],
      startMs: 1_760_000_000_123,
      deeds: [
        slotTaken(),
        { move: { by: 0 }, deed: { what: 'check', check: asked(1, 1), givesBack: false } },
        slotTaken(),
        {
          move: { until: 'deadline', of: -1, plus: -1 },
          deed: { what: 'check', check: asked(0, 1), givesBack: false },
        },
      ],
    },
  ],
]

type Deed = ReservationHistory['deeds'][number]

/** Policy 0 has slots only, the others tokens. */
function withSlots(...deeds: Deed[]): ReservationHistory {
  return {
    policies: [[slots(1)], [perSecond('a')], [perSecond('b')], [perSecond('c')]],
    overdrafts: [false, false, false, false],
    startMs: 1_760_000_000_000,
    deeds,
  }
}

function slots(capacity: number): Limit {
  return { name: 'slots', kind: 'concurrency', capacity }
}

function slotTaken(): Deed {
  return {
    move: { by: 0 },
    deed: { what: 'reserve', checks: [asked(0, 1)], ttlMs: 1_000, onExpiry: 'charge', unheld: false },
  }
}

function deadlinePassed(): Deed {
  return { move: { by: 1_000 }, deed: { what: 'read', of: 0 } }
}

function spending(policy: number): Deed {
  return { move: { by: 0 }, deed: { what: 'check', check: asked(policy, 5), givesBack: false } }
}

function asked(policy: number, tokens: number) {
  return { key: '{a}x', policy, wish: { tokens }, shadowed: false }
}
