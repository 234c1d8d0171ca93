import { describe } from '@jest/globals'

/** A suite that takes minutes, and runs only with `npm run test:long`. */
export const describeLong = process.env['TEST_LONG'] === undefined ? describe.skip : describe
