import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { visibleSegments, visibleText } from '../../../console/text/visible-text.ts'

describe('a text that a caller chose', () => {
  it.each([
    ['user:42', 'user:42'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['\u202Eevil', '\\u{202E}evil'],
    ['a\u200Bb', 'a\\u{200B}b'],
    ['a\u00A0b', 'a\\u{00A0}b'],
    ['a b', 'a b'],
    [' a ', '\\u{0020}a\\u{0020}'],
    ['tab\there', 'tab\\u{0009}here'],
    ['\uD800', '\\u{D800}'],
    ['\u{E0041}', '\\u{E0041}'],
    ['שלום:42', 'שלום:42'],
    ['日本🙂', '日本🙂'],
  ])('%j is shown as %s', (text, shown) => {
    expect(visibleText(text)).toBe(shown)
  })

  it('loses nothing: without escapes, the segments are the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const restored = visibleSegments(text).map(({ text: shown, escaped }) =>
          escaped === undefined ? shown : String.fromCodePoint(Number.parseInt(escaped.slice(2), 16)),
        )
        expect(restored.join('')).toBe(text)
      }),
    )
  })

  it('never shows a character that is invisible or turns the direction', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(visibleText(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
