import { beforeEach, describe, expect, it } from '@jest/globals'
import { OutageClock } from '../../../src/check/outage-clock.ts'

let now: number
let clock: OutageClock
beforeEach(() => {
  now = 5_000
  clock = new OutageClock(() => now, 100)
})

function outage(ms: number): void {
  clock.start()
  now += ms
  clock.stop()
}

describe('the outage clock', () => {
  it('counts each outage after its first second', () => {
    outage(3_000)
    now += 60_000
    outage(1_500)
    expect(clock.elapsedMs).toBe(2_500)
  })

  it('does not count outages of up to a second, however many', () => {
    for (let i = 0; i < 100; i++) outage(1_000)
    expect(clock.elapsedMs).toBe(0)
  })

  it('reports for how long it does not count yet, also for a check without an answer before the outage is noticed', () => {
    expect(clock.refillPausedMs).toBe(1_100)
    clock.start()
    now += 300
    expect([clock.elapsedMs, clock.refillPausedMs]).toEqual([0, 700])
    clock.start()
    now += 900
    expect([clock.elapsedMs, clock.refillPausedMs]).toEqual([200, 0])
  })
})
