import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { Newcomers } from '../../../src/connections/newcomers.ts'

describe('newcomers', () => {
  it('are late once their time is over, each once', () => {
    const newcomers = new Newcomers(10)
    const [first, second, third] = [new Socket(), new Socket(), new Socket()]
    for (const [i, connection] of [first, second, third].entries()) newcomers.add(connection, i)
    expect([...newcomers.takeLate(9)]).toEqual([])
    expect([...newcomers.takeLate(11)]).toEqual([first, second])
    expect([...newcomers.takeLate(11)]).toEqual([])
    newcomers.delete(third)
    expect([...newcomers.takeLate(20)]).toEqual([])
  })
})
