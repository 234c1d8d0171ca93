import { describe } from '@jest/globals'

/** A suite of minutes, which runs with `npm run test:long` only. */
export const describeLong = process.env['TEST_LONG'] === undefined ? describe.skip : describe
