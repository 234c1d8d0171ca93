import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { JsonBounds } from '../../../src/lib/json-bounds.ts'

const problemOf = (text: string, maxElements = 1_000) => new JsonBounds(maxElements).problemOf(Buffer.from(text))

describe('the bounds of JSON', () => {
  it.each([
    ['eight levels', `${'['.repeat(8)}${']'.repeat(8)}`],
    ['many shallow values, one after another', `[${'[],'.repeat(400)}[]]`],
    ['brackets, commas and quotes in strings', `{"[[[[[[[[[[":"${'{,['.repeat(2_000)}\\\\\\"[[[[[[[[["}`],
    ['a string that never ends', `"${'['.repeat(20)}\\`],
    ['nothing', ''],
  ])('allow %s', (_, text) => {
    expect(problemOf(text)).toBeUndefined()
  })

  it.each([
    ['nine arrays', '['.repeat(9), 'body-malformed'],
    ['nine objects', '{"a":'.repeat(9), 'body-malformed'],
    ['brackets after a string that ends in a backslash', `["\\\\",${'['.repeat(8)}`, 'body-malformed'],
    ['more members and items than allowed', `[${'0,'.repeat(1_000)}0]`, 'validation-failed'],
    ['more empty arrays than allowed', `[${'[]'.repeat(1_000)}]`, 'validation-failed'],
  ])('refuse %s', (_, text, code) => {
    expect(problemOf(text)).toMatchObject({ code })
  })

  it('count the elements of a JSON value, and ignore its strings', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
        const { depth, elements } = shapeOf(value)
        const problem = problemOf(JSON.stringify(value), elements)
        expect(problem?.code).toBe(depth > 8 ? 'body-malformed' : undefined)
        if (elements > 0) expect(problemOf(JSON.stringify(value), elements - 1)).toBeDefined()
      }),
    )
  })

  it('are the same however the text is cut into pieces', () => {
    const text = fc
      .array(fc.constantFrom('[', ']', '{', '}', ',', '"', '\\\\', 'x'), { maxLength: 60 })
      .map(parts => parts.join(''))
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 5 })), (given, cuts) => {
        const bounds = new JsonBounds(10)
        const found = piecesOf(given, cuts).map(piece => bounds.problemOf(Buffer.from(piece)))
        expect(found.find(Boolean)?.code).toBe(problemOf(given, 10)?.code)
      }),
    )
  })
})

function piecesOf(text: string, cuts: readonly number[]): string[] {
  const [cut = text.length, ...others] = cuts
  return text.length <= cut ? [text] : [text.slice(0, cut), ...piecesOf(text.slice(cut), others)]
}

/** The depth of a value, and the number of its members and items. An empty array or object counts as one. */
function shapeOf(value: unknown): { depth: number; elements: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, elements: 0 }
  const inner = Object.values(value).map(shapeOf)
  return {
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    elements: Math.max(1, inner.length) + inner.reduce((sum, { elements }) => sum + elements, 0),
  }
}
