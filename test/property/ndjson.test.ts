import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { linesOf } from '../../src/config-change/import/ndjson.ts'
import { runs } from '../support/property-runs.ts'

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let from = 0
  for (const cut of cuts.map(cut => cut % (bytes.length + 1)).toSorted((a, b) => a - b)) {
    yield bytes.subarray(from, cut)
    from = cut
  }
  yield bytes.subarray(from)
}

it('a file yields the same lines, however it is split into pieces', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ü', '😀', '\n', '\r', ' ', '\uFEFF') })
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat()), async (text, cuts) => {
      const lines: [number, string][] = []
      for await (const some of linesOf(pieces(Buffer.from(text), cuts))) {
        for (const { number, bytes } of some) lines.push([number, bytes.toString()])
      }
      const expected = text.replace(/^\uFEFF/, '').split('\n')
      if (expected.at(-1) === '') expected.pop()
      expect(lines).toEqual(expected.map((line, i) => [i + 1, line]))
    }),
    runs(500, 20_000),
  )
})
