import { afterAll, beforeAll } from '@jest/globals'
import { GrpcClient } from '../../support/grpc-client.ts'

/** A client for all tests of a file. @param port called once the app listens */
export function givenGrpcClient(port: () => number): { readonly client: GrpcClient } {
  let client: GrpcClient
  beforeAll(() => {
    client = new GrpcClient(port())
  })
  afterAll(() => client.close())
  return {
    get client() {
      return client
    },
  }
}
