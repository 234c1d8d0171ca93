import { describe, expect, it } from '@jest/globals'
import { jsonFormat } from '../../../src/simulation/access-log.ts'
import { FieldTemplate } from '../../../src/simulation/field-template.ts'

const keyOf = (line: string) => new FieldTemplate('u:{id}').textOf(jsonFormat('time')(line))

describe('a text with fields', () => {
  it.each([
    ['"a"', 'u:a'],
    ['true', 'u:true'],
    ['-1.5', 'u:-1.5'],
    ['9007199254740991', 'u:9007199254740991'],
    ['"9007199254740993"', 'u:9007199254740993'],
  ])('contains the value %s as it is', (id, text) => {
    expect(keyOf(`{"id":${id}}`)).toBe(text)
  })

  it.each(['9007199254740993', '9007199254740992', '-9007199254740993', '12345678901234567890', '1e400'])(
    'does not contain the number %s, whose digits are lost in JSON',
    id => {
      expect(() => keyOf(`{"id":${id}}`)).toThrow(
        'has a number beyond 9007199254740991 as "id"; only text can be longer',
      )
    },
  )

  it.each(['{}', '{"id":null}', '{"id":{}}'])('cannot be made from %s', line => {
    expect(() => keyOf(line)).toThrow('has no "id"')
  })
})
