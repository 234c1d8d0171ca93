import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { bucketKey } from '../../../../src/check/envoy/bucket-key.ts'
import { descriptorIn, descriptorKey } from '../../../../src/domain/descriptors/descriptor-pattern.ts'
import { encodedText } from '../../../../src/domain/descriptors/descriptor-text.ts'
import { keyFault } from '../../../../src/domain/key.ts'
import { runs } from '../../../support/property-runs.ts'

const unit = fc.oneof(
  fc.constantFrom('a', '=', ';', '{', 'é', '€', '😀'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
)
const text = fc.string({ unit, maxLength: 120 })
const descriptors = fc.record({
  domain: fc
    .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 })
    .map(domain => encodedText('domain', domain)),
  entries: fc.array(
    fc.record({ key: text.map(key => encodedText('key', key)), value: text.map(value => encodedText('value', value)) }),
    { minLength: 1, maxLength: 4 },
  ),
})

describe('the key of a bucket', () => {
  it('is a valid key: the text of the descriptor, or one that no descriptor has', () => {
    fc.assert(
      fc.property(descriptors, descriptor => {
        const key = bucketKey(descriptor)
        const text = descriptorKey(descriptor)
        expect(keyFault(key)).toBeUndefined()
        if (Buffer.byteLength(text) <= 256) expect(key).toBe(text)
        else {
          expect(key).toMatch(/;#[\w-]{43}$/)
          expect(descriptorIn(key)).toBeUndefined()
        }
      }),
      runs(30, 1_000),
    )
  })

  it('is different for long descriptors that end differently', () => {
    const ofValue = (value: string) => bucketKey({ domain: 'a', entries: [{ key: 'k', value }] })
    expect(ofValue(`${'x'.repeat(300)}1`)).not.toBe(ofValue(`${'x'.repeat(300)}2`))
  })
})
