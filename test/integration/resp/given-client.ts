import { afterEach, beforeEach } from '@jest/globals'
import { RespClient } from '../../support/resp-client.ts'

/** A connection of its own for each test. */
export function givenClient(port: () => number): { readonly client: RespClient } {
  let client: RespClient
  beforeEach(async () => {
    client = await RespClient.connect(port())
  })
  afterEach(() => client.end())
  return {
    get client() {
      return client
    },
  }
}
