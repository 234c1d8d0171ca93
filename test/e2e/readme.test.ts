import { afterAll, beforeAll, describe } from '@jest/globals'
import { itGivesTheTour } from '../support/readme-tour.ts'
import { Service } from '../support/service.ts'

describe('the tour of the README', () => {
  let service: Service
  beforeAll(async () => {
    service = await Service.start()
  })
  afterAll(() => service.stop())

  itGivesTheTour(() => service)
})
