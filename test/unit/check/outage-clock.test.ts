import { beforeEach, describe, expect, it } from '@jest/globals'
import { OutageClock } from '../../../src/check/outage-clock.ts'

let now: number
let clock: OutageClock
beforeEach(() => {
  now = 5_000
  clock = new OutageClock(() => now, 100)
})

function outage(ms: number): void {
  for (const untilMs = now + ms; now < untilMs; now += 250) clock.failed()
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

  it('counts no time in which nobody looked, since the process was suspended', () => {
    clock.failed()
    now += 60_000
    clock.failed()
    now += 250
    expect(clock.elapsedMs).toBe(600)
    clock.stop()
    expect(clock.elapsedMs).toBe(600)
  })

  it('reports for how long it does not count yet, also for a check without an answer before the outage is noticed', () => {
    expect(clock.refillPausedMs).toBe(1_100)
    clock.failed()
    now += 300
    expect([clock.elapsedMs, clock.refillPausedMs]).toEqual([0, 700])
    clock.failed()
    now += 900
    expect([clock.elapsedMs, clock.refillPausedMs]).toEqual([200, 0])
  })
})
