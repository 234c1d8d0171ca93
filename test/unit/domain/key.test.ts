import { describe, expect, it } from '@jest/globals'
import { configKeyFault, keyFault, policyNameFault, prefixOf } from '../../../src/domain/key.ts'

describe('a caller’s key', () => {
  it.each([
    ['an ordinary one', 'user:42'],
    ['a single character', 'x'],
    ['a space', ' '],
    ['a hash tag', '{acme}:search'],
    ['a star, which is an ordinary character here', 'user:*:x'],
    ['a reserved config key', 'default'],
    ['three dots', '...'],
    ['256 bytes of ASCII', 'x'.repeat(256)],
    ['256 bytes in characters of four', '🦊'.repeat(64)],
    ['256 bytes in characters of two and one', `${'é'.repeat(127)}xx`],
    ['the first character after the control characters', '\u00A0'],
    ['text that normalisation would change', 'e\u0301'],
  ])('may be %s', (_, key) => {
    expect(keyFault(key)).toBeUndefined()
  })

  it('may not be empty', () => {
    expect(keyFault('')).toBe('the key is empty; 1 to 256 bytes of UTF-8 are allowed')
  })

  it.each([
    ['ASCII', 'x'.repeat(257), 257],
    ['characters of two bytes', `${'é'.repeat(128)}x`, 257],
    ['characters of four bytes', `${'🦊'.repeat(64)}x`, 257],
    ['far too many characters', 'x'.repeat(100_000), 100_000],
  ])('may not have more than 256 bytes: %s', (_, key, bytes) => {
    expect(keyFault(key)).toBe(`the key has ${bytes} bytes; 1 to 256 bytes of UTF-8 are allowed`)
  })

  it.each(['.', '..'])('may not be %j, which URL normalization would remove', key => {
    expect(keyFault(key)).toBe(`the key "${key}" is not allowed`)
  })

  it.each([
    ['\u0000', 'U+0000'],
    ['\n', 'U+000A'],
    ['\u001F', 'U+001F'],
    ['\u007F', 'U+007F'],
    ['\u0080', 'U+0080'],
    ['\u009F', 'U+009F'],
  ])('may not contain the control character %j', (character, name) => {
    for (const key of [character, `${character}x`, `x${character}`, `é${character}x`]) {
      expect(keyFault(key)).toContain(`the control character ${name};`)
    }
  })

  it.each(['\uD800', 'x\uDBFFx', '\uDC00', '\uDE00\uD83D'])('may not contain a lone surrogate: %j', key => {
    expect(keyFault(key)).toContain('lone surrogate')
  })
})

describe('a config key', () => {
  it.each(['user:42', 'user:*', '*', 'export*', 'Default', 'défaut:*', '{acme}:*'])('may be %s', configKey => {
    expect(configKeyFault(configKey)).toBeUndefined()
  })

  it.each(['export', 'import', 'default'])('may not be the reserved %s', configKey => {
    expect(configKeyFault(configKey)?.code).toBe('key-reserved')
  })

  it.each([
    ['user:*:x', 6],
    ['*x', 1],
    ['**', 1],
    ['user:**', 6],
  ])('may have a star only at its end, unlike %s', (configKey, position) => {
    const detail = `the key has a "*" at position ${position}; "*" is allowed only at the end`
    expect(configKeyFault(configKey)).toEqual({ code: 'key-invalid', detail })
  })

  it.each(['', '..', 'x'.repeat(257), `${'x'.repeat(256)}*`, 'a\nb*'])(
    'may not be what is invalid for every key: %j',
    configKey => {
      expect(configKeyFault(configKey)?.code).toBe('key-invalid')
    },
  )

  it('is a prefix when it ends in a star', () => {
    expect(prefixOf('user:*')).toBe('user:')
    expect(prefixOf('*')).toBe('')
    expect(prefixOf('user:42')).toBeUndefined()
  })
})

describe('the name of a policy', () => {
  it.each(['plan:gold', 'user:*', '*', 'default', 'x'.repeat(256)])('may be %s', name => {
    expect(policyNameFault(name)).toBeUndefined()
  })

  it.each([
    ['', 'the key is empty; 1 to 256 bytes of UTF-8 are allowed'],
    ['é'.repeat(129), 'the key has 258 bytes; 1 to 256 bytes of UTF-8 are allowed'],
    ['..', 'the key ".." is not allowed'],
    ['a\n', 'the key contains the control character U+000A; U+0000–001F and U+007F–009F are not allowed'],
    ['\uD800', 'the key contains a lone surrogate, which is not valid Unicode'],
    ['plan:*:gold', 'the key has a "*" at position 6; "*" is allowed only at the end'],
    ['import', '"import" is reserved'],
    ['export', '"export" is reserved'],
  ])('may not be %j', (name, fault) => {
    expect(policyNameFault(name)).toBe(`must be a config key or "default": ${fault}`)
  })
})
