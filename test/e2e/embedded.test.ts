import { afterEach, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

let service: Service
afterEach(() => service.stop())

it('decides checks', async () => {
  service = await Service.start()
  const answer = await new Client(service.url).check('user:42')
  expect(answer.status).toBe(200)
})
