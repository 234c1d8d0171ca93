import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type TextLine, textLines } from '../../../src/simulation/text-lines.ts'

async function linesOf(chunks: readonly Buffer[]): Promise<TextLine[]> {
  const lines: TextLine[] = []
  for await (const some of textLines(stream(chunks))) lines.push(...some)
  return lines
}

async function* stream(chunks: readonly Buffer[]) {
  yield* chunks
}

const TOO_LONG = { why: 'has more than 65536 bytes' }

describe('the lines of a file', () => {
  it('are the same however the file is cut into chunks', async () => {
    const text = fc.array(fc.constantFrom('a', 'é', '🙂', '\n', '\r\n', '{"at":1}'), { size: 'max', maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(60)), async (parts, cuts) => {
        const bytes = Buffer.from(parts.join(''))
        const at = [0, ...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length]
        const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
        const expected = parts.join('').split(/\r?\n/)
        if (expected.at(-1) === '') expected.pop()
        expect(await linesOf(chunks)).toEqual(expected)
      }),
    )
  })

  it('do not include a byte order mark', async () => {
    expect(await linesOf([Buffer.from('\uFEFFa\nb\n')])).toEqual(['a', 'b'])
    expect(await linesOf([Buffer.from('\uFEFFa')])).toEqual(['a'])
  })

  it('are named one by one if they are not valid UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from('a\n'), Buffer.from([0xff]), Buffer.from('\nb\n')])
    expect(await linesOf([bytes])).toEqual(['a', { why: 'is not valid UTF-8' }, 'b'])
  })

  it('are named if they are too long, and not held in memory', async () => {
    const megabyte = Buffer.alloc(1_048_576, 'a')
    const before = process.memoryUsage().rss
    const long = Array.from({ length: 300 }, () => megabyte)
    expect(await linesOf([Buffer.from('x\n'), ...long, Buffer.from('\ny\n')])).toEqual(['x', TOO_LONG, 'y'])
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1_048_576)
    expect(await linesOf([Buffer.concat([Buffer.alloc(65_536, 'a'), Buffer.from('\n')])])).toEqual(['a'.repeat(65_536)])
  })

  it.each(['é', '€', '🙂'])('are measured in bytes: with %s too', async character => {
    const longest = character.repeat(Math.floor(65_536 / Buffer.byteLength(character)))
    const bytes = Buffer.from(`${longest}\n${longest}${character}\nx`)
    expect(await linesOf([bytes])).toEqual([longest, TOO_LONG, 'x'])
  })
})
