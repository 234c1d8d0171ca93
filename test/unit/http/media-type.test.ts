import { createContext, Script } from 'node:vm'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { inUtf8 } from '../../../src/http/media-type.ts'

const ACCEPTED = inUtf8('application/json')

/** The same, with ambiguous white space: slow for long texts. */
const SPECIFIED = /^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i

const PARTS = ['application/json', ';', ' ', '\t', 'charset', '=', '"', 'utf-8', 'UTF8', 'x', ';charset=utf-8']

/** Far more than a header can have: a time that grew with the square of it would be hours. */
const MANY = 1_000_000
const SPACES = ' '.repeat(MANY)
/** A thousand times what the texts take on a quiet machine. */
const LIMIT_MS = 60_000

describe('a media type in UTF-8', () => {
  it('can name its charset, with any white space', () => {
    const text = fc.array(fc.constantFrom(...PARTS), { maxLength: 9 }).map(parts => `application/json${parts.join('')}`)
    fc.assert(
      fc.property(text, given => {
        expect(ACCEPTED.test(given)).toBe(SPECIFIED.test(given))
      }),
      { numRuns: 5_000 },
    )
  })

  it.each([
    ['after the type', `application/json${SPACES}x`],
    ['before a parameter', `application/json;${SPACES}x`],
    ['around the name of a parameter', `application/json${SPACES};${SPACES}charset${SPACES}x`],
    ['around the value of a parameter', `application/json;charset=${SPACES}utf-8${SPACES}x`],
    ['in a quoted value', `application/json; charset="utf-8${SPACES}x"`],
    ['at the end', `application/json;charset=utf-8${SPACES};${SPACES}x`],
  ])('refuses much white space %s in a time that is proportional to it', (_name, given) => {
    const context = createContext({ accepted: ACCEPTED, given })
    expect(new Script('accepted.test(given)').runInContext(context, { timeout: LIMIT_MS })).toBe(false)
  })
})
