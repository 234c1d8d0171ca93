import { beforeEach, describe, expect, it } from '@jest/globals'
import { Gathering } from '../../../src/check/gathering.ts'

let gathering: Gathering
let nowMs: number
beforeEach(() => {
  gathering = new Gathering()
  nowMs = 1_000
})

function arrive(times: number, gapMs: number): void {
  for (let i = 0; i < times; i++) {
    nowMs += gapMs
    gathering.arrived(nowMs)
  }
}

function gatherInVain(): void {
  nowMs += 1
  gathering.ended(nowMs)
}

describe('how many checks are worth a call', () => {
  it('one, at the start', () => {
    expect(gathering.worthACall).toBe(1)
    arrive(1, 0)
    expect(gathering.worthACall).toBe(1)
  })

  it.each([
    [1, 1],
    [0.4, 1],
    [0.19, 2],
    [0.09, 4],
    [0.01, 16],
  ])('where one arrives every %d ms: %d', (gapMs, expected) => {
    arrive(200, gapMs)
    expect(gathering.worthACall).toBe(expected)
  })

  it('one, after a quiet moment', () => {
    arrive(200, 0.1)
    expect(gathering.worthACall).toBeGreaterThan(1)
    arrive(1, 5)
    expect(gathering.worthACall).toBe(1)
  })

  it('no more because of checks that arrive at one instant', () => {
    arrive(10, 1)
    arrive(1_000, 0)
    expect(gathering.worthACall).toBe(1)
  })

  it('nearly as many after one pause of a busy process', () => {
    arrive(200, 0.12)
    arrive(1, 4)
    expect(gathering.worthACall).toBeGreaterThan(1)
  })
})

describe('checks that gathered in vain', () => {
  beforeEach(() => arrive(200, 0.12))

  it('have none gather for a while, twice as long each further time', () => {
    for (const pauseMs of [10, 20, 40]) {
      gatherInVain()
      arrive((pauseMs - 1) / 0.12, 0.12)
      expect(gathering.worthACall).toBe(1)
      arrive(2 / 0.12, 0.12)
      expect(gathering.worthACall).toBeGreaterThan(1)
    }
  })

  it('have none gather for five seconds at most', () => {
    for (let i = 0; i < 20; i++) gatherInVain()
    arrive(4_900 / 0.12, 0.12)
    expect(gathering.worthACall).toBe(1)
    arrive(200 / 0.12, 0.12)
    expect(gathering.worthACall).toBeGreaterThan(1)
  })

  it('are forgotten once enough came', () => {
    for (let i = 0; i < 20; i++) gatherInVain()
    gathering.succeeded()
    gatherInVain()
    arrive(11 / 0.12, 0.12)
    expect(gathering.worthACall).toBeGreaterThan(1)
  })

  it('were not in vain if more are still coming', () => {
    nowMs += 0.3
    gathering.ended(nowMs)
    arrive(1, 0.1)
    expect(gathering.worthACall).toBeGreaterThan(1)
  })
})
