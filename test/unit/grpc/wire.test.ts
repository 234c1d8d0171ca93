import { describe, expect, it } from '@jest/globals'
import { WireReader } from '../../../src/grpc/wire-reader.ts'
import { WireWriter } from '../../../src/grpc/wire-writer.ts'

/** An embedded message with a text, between two numbers. */
function written(text: string): Buffer {
  const writer = new WireWriter(8).number(1, 1)
  const outer = writer.begin(2)
  const inner = writer.begin(3)
  writer.string(4, text)
  writer.end(inner)
  writer.number(5, 2 ** 53 - 1)
  writer.end(outer)
  return writer.number(6, 2 ** 32 - 1).finish()
}

function readFields(reader: WireReader): readonly unknown[] {
  const fields: unknown[] = []
  while (reader.next()) {
    const { field } = reader
    if (field === 2 || field === 3) fields.push(field, reader.message(readFields))
    else if (field === 4) fields.push(field, reader.bytes().toString())
    else fields.push(field, reader.uint64())
  }
  return fields
}

describe('a message', () => {
  it.each([0, 1, 100, 127, 128, 200, 16_383, 16_384, 3_000_000])(
    'can have one with a text of %i bytes in it',
    length => {
      const text = 'x'.repeat(length)
      const inner = length === 0 ? [] : [4, text]
      expect(readFields(new WireReader(written(text)))).toEqual([1, 1, 2, [3, inner, 5, 2 ** 53 - 1], 6, 2 ** 32 - 1])
    },
  )

  it('can have a text of characters with several bytes', () => {
    const text = 'é€😀'.repeat(20)
    expect(readFields(new WireReader(new WireWriter(1).string(4, text).finish()))).toEqual([4, text])
  })
})

/** The field 1 with a number of up to 64 bits. */
function varintField(number: bigint): Buffer {
  const bytes = [1 << 3]
  for (let rest = number; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}

it.each([5n, 2n ** 32n + 5n, 2n ** 53n + 5n, 2n ** 60n + 5n, 2n ** 63n + 5n, 2n ** 64n - 1n])(
  'a number of 32 bits is the low ones of %s',
  number => {
    const reader = new WireReader(varintField(number))
    expect(reader.next()).toBe(true)
    expect(reader.uint32()).toBe(Number(number & 0xffffffffn))
    expect(reader.next()).toBe(false)
  },
)
