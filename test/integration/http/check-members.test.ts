import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { postCheck } from './raw-http.ts'

const given = givenApp()
const MAX = 1_000_000_000

describe('the body of a check', () => {
  it.each([
    ['1.0', 99],
    ['1e0', 99],
    ['-0', 100],
  ])('may give tokens as %s, which is an integer', async (tokens, remaining) => {
    const answer = await postCheck(given.app.port, `{"key":"whole ${tokens}","tokens":${tokens}}`)
    expect(answer.body).toMatchObject({ allowed: true, remaining })
  })

  it(`may give up to ${MAX} tokens, which the capacity of the policy may not allow`, async () => {
    const body = (key: string) => `{"key":"${key}","tokens":${MAX}}`
    expectProblem(await postCheck(given.app.port, body('k')), 400, 'tokens-exceed-capacity')
    await given.app.client.put('vast', { capacity: MAX, refillTokens: 1 })
    expect((await postCheck(given.app.port, body('vast'))).body).toMatchObject({ allowed: true, remaining: 0 })
  })

  it.each(['NaN', '-NaN', 'nan', 'Infinity', '-Infinity', '01', '1.', '.5', '+1', '0x10', '1_000', '1n'])(
    'may not give tokens as %s, which is not JSON',
    async tokens => {
      expectProblem(await postCheck(given.app.port, `{"key":"k","tokens":${tokens}}`), 400, 'body-malformed')
    },
  )

  it.each([
    ['"1"', '"1"'],
    ['"NaN"', '"NaN"'],
    ['1.5', '1.5'],
    ['-1', '-1'],
    [`${MAX + 1}`, `${MAX + 1}`],
    ['1e400', 'Infinity'],
    ['-1e400', '-Infinity'],
    ['1e-9', '1e-9'],
    ['9007199254740993', 'more than 9007199254740991'],
    ['-1e30', 'less than -9007199254740991'],
    ['0.99999999999999994', '0.9999999999999999'],
    ['[]', 'an array'],
    ['true', 'true'],
    ['null', 'null'],
    ['[1]', 'an array'],
    ['{"valueOf":1}', 'an object'],
  ])('may not give tokens as %s', async (tokens, was) => {
    const answer = await postCheck(given.app.port, `{"key":"k","tokens":${tokens}}`)
    expectFields(answer, 'validation-failed', ['/tokens'])
    expect(answer.body.errors[0].message).toBe(`must be an integer from 0 to ${MAX}; was ${was}`)
    expect(answer.body.detail).toBe(`/tokens: ${answer.body.errors[0].message}`)
  })

  it.each(['5', 'true', 'null', '["k"]', '{"toString":"k"}'])('may not give the key as %s', async key => {
    const answer = await postCheck(given.app.port, `{"key":${key}}`)
    expectFields(answer, 'validation-failed', ['/key'])
    expect(answer.body.detail).toMatch(/must be string; was /)
  })

  it('must have a key', async () => {
    const answer = await postCheck(given.app.port, '{"tokens":1}')
    expectFields(answer, 'validation-failed', ['/key'])
    expect(answer.body.detail).toBe('/key: is missing')
  })

  it('may have no other member; each one is named', async () => {
    const answer = await postCheck(given.app.port, '{"key":"k","Tokens":1,"a/b~c":2}')
    expectFields(answer, 'validation-failed', ['/Tokens', '/a~1b~0c'])
    expect(answer.body.errors[0].message).toBe('is unknown; allowed: key, tokens, policy')
  })

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    'may not have the member %s',
    async member => {
      const answer = await postCheck(given.app.port, `{"key":"k","${member}":{"tokens":5,"prototype":{"admin":true}}}`)
      expectFields(answer, 'validation-failed', [`/${member}`])
      expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
    },
  )

  it('with only invalid members has each of them named', async () => {
    expectFields(await postCheck(given.app.port, '{"key":1,"tokens":"1","x":1}'), 'validation-failed', [
      '/x',
      '/key',
      '/tokens',
    ])
  })

  it('with many invalid members has the first 20 listed, and their number in the detail', async () => {
    const members = Array.from({ length: 198 }, (_, i) => `"${i}":0`)
    const answer = await postCheck(given.app.port, `{"key":"k",${members}}`)
    expectProblem(answer, 400, 'validation-failed')
    expect(answer.body.errors).toHaveLength(20)
    expect(answer.body.detail).toMatch(/^\/0: .*; \/9: [^;]*; [^;]*; and 188 more$/)
  })

  it('with a name longer than a message shows has its length named instead', async () => {
    const answer = await postCheck(given.app.port, `{"key":"k","${'x'.repeat(60_000)}":0}`)
    expectFields(answer, 'validation-failed', [''])
    expect(answer.body.errors[0].message).toBe(
      'has an unknown member whose name has 60000 characters; allowed: key, tokens, policy',
    )
  })

  it('with hundreds of members is refused because of their number', async () => {
    const members = Array.from({ length: 990 }, (_, i) => `"${i}":0`)
    const answer = await postCheck(given.app.port, `{"key":"k",${members}}`)
    expectFields(answer, 'validation-failed', [''])
    expect(answer.body.detail).toContain('200 members and items')
  })

  it('with a member of up to eight levels is refused by its path, and with a deeper one as malformed', async () => {
    const nested = (levels: number) => `${'{"key":'.repeat(levels)}1${'}'.repeat(levels)}`
    expectFields(await postCheck(given.app.port, nested(8)), 'validation-failed', ['/key'])
    expectProblem(await postCheck(given.app.port, nested(9)), 400, 'body-malformed')
  })

  it('with a duplicate member has the value of the last one, as with JSON.parse', async () => {
    const answer = await postCheck(given.app.port, '{"key":"first","tokens":7,"key":"last","tokens":2}')
    expect(answer.body).toMatchObject({ key: 'last', remaining: 98 })
  })

  it('that is refused spends nothing', async () => {
    expect((await given.app.client.check('k')).body).toMatchObject({ allowed: true, remaining: 99 })
  })
})
