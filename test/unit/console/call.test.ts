import { expect, it } from '@jest/globals'
import { CallFailure, segment } from '../../../console/api/call.ts'
import { keyFault } from '../../../src/domain/key.ts'

it.each(['.', '..'])('the key "%s", which a browser would resolve, has the fault that the service finds', key => {
  const fault = new CallFailure(400, { code: 'key-invalid', detail: String(keyFault(key)) })
  expect(() => segment(key)).toThrow(fault)
})

it.each(['...', 'a/..', '%2e%2e', '.a', '..\\'])('the key %j stays one segment of the path', key => {
  expect(keyFault(key)).toBeUndefined()
  const { pathname } = new URL(`config/${segment(key)}/history`, 'http://localhost/')
  expect(pathname.split('/').map(decodeURIComponent)).toEqual(['', 'config', key, 'history'])
})
