import { expect } from '@jest/globals'
import type { Answer } from './client.ts'
import { eventually } from './eventually.ts'

/**
 * Resolves with the first answer to a denied check that the process gives from memory. It remembers a denial for a second, which a
 * busy machine may need for one request; then it remembers the next one.
 */
export function rememberedDenial(check: () => Promise<Answer>): Promise<Answer> {
  return eventually(async () => {
    const answer = await check()
    expect(answer.body).toMatchObject({ allowed: false, source: 'denied-cache' })
    return answer
  })
}
