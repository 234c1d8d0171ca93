import { describe, expect, it } from '@jest/globals'
import { Siblings } from '../../../src/ratelimit-config/siblings.ts'

const WILDCARDS = 1_000

describe('siblings', () => {
  const nodeOf = (prefix: string) => ({ pattern: { key: 'k', value: { prefix } } })

  it('are found by the longest prefix here, and by the first one in the file there', () => {
    const siblings = new Siblings<ReturnType<typeof nodeOf>>()
    const [short, long, all] = [nodeOf('ab'), nodeOf('abcd'), nodeOf('')] as const
    expect([short, long, all, nodeOf('ab')].map(node => siblings.add(node))).toEqual([true, true, true, false])
    expect(siblings.matches({ key: 'k', value: 'abcde' })).toEqual([long, short, all])
    expect(siblings.matches({ key: 'k', value: 'abc' })).toEqual([short, all])
    expect(siblings.matches({ key: 'k', value: 'a' })).toEqual([all])
    expect(siblings.greedyMatch({ key: 'k', value: 'abcde' })).toBe(short)
    expect(siblings.greedyMatch({ key: 'k', value: 'x' })).toBe(all)
    expect(siblings.greedyMatch({ key: 'other', value: 'ab' })).toBeUndefined()
  })

  it('are not compared with every wildcard', () => {
    let reads = 0
    const countedNodeOf = (prefix: string) => ({
      get pattern() {
        reads++
        return nodeOf(prefix).pattern
      },
    })
    const siblings = new Siblings<ReturnType<typeof nodeOf>>()
    for (let i = 0; i < WILDCARDS; i++) siblings.add(countedNodeOf(`${i}-`))
    for (let i = 0; i < WILDCARDS; i++) {
      siblings.matches({ key: 'k', value: `${i}-x` })
      siblings.greedyMatch({ key: 'k', value: `${i}-x` })
    }
    expect(reads).toBeLessThan(10 * WILDCARDS)
  })
})
