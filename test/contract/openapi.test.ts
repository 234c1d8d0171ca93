import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { Validator } from '@seriousme/openapi-schema-validator'
import { describeService } from '../../src/front/describe-service.ts'
import { ERRORS } from '../../src/lib/errors.ts'
import { describeContract } from '../support/openapi.ts'

const committed = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))

describe('docs/openapi.json', () => {
  it('is what the routes say now; if not, run npm run openapi', async () => {
    expect(committed).toEqual(await describeService())
  })

  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(committed))
    expect(errors ?? []).toEqual([])
    expect([valid, committed.openapi]).toEqual([true, '3.1.0'])
  })

  it('has an example of every code', () => {
    expect(Object.keys(committed.components.examples)).toEqual(Object.keys(ERRORS))
  })

  it('names every operation once, each with a summary', () => {
    const operations = describeContract(committed).operations
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
    expect(operations.filter(({ summary }) => !summary).map(({ id }) => id)).toEqual([])
  })
})
