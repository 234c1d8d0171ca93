import { expect, it } from '@jest/globals'
import { faultFields, OperatorError, reportOf } from '../../../src/lib/operator-error.ts'

it('what an operator can act on is reported and logged without a stack, and a bug with its stack', () => {
  const [ofOperator, bug] = [new OperatorError('the disk is full'), new TypeError('undefined is not a function')]
  expect([reportOf(ofOperator), reportOf(bug)]).toEqual(['the disk is full', expect.stringContaining('at ')])
  expect([faultFields(ofOperator), faultFields(bug)]).toEqual([{ reason: 'the disk is full' }, { err: bug }])
})
