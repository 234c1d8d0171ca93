import { describe } from '@jest/globals'

export const describeLong = process.env['TEST_LONG'] === undefined ? describe.skip : describe
