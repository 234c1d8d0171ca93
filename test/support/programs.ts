import { describe } from '@jest/globals'
import { describeLong } from './describe-long.ts'
import { isOnPath } from './on-path.ts'
import { hasPythonClients } from './python-clients.ts'

/** Suites that need the real Envoy. They are skipped, with a message, if there is none. */
export const describeWithEnvoy = isOnPath('envoy') ? describe : describe.skip
export const describeLongWithEnvoy = isOnPath('envoy') ? describeLong : describe.skip

/** Suites that ask from other languages. They are skipped, with a message, without them. */
export const describeWithPythonClients = hasPythonClients() ? describe : describe.skip
export const describeLongWithGo = isOnPath('go') ? describeLong : describe.skip
