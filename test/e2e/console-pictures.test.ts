import { expect, it } from '@jest/globals'
import { describePictures, picture, sheetOf } from '../support/browser.ts'
import type { OpenConsole } from '../support/console.ts'
import { givenConsole } from '../support/given-console.ts'
import {
  EMPTY_VIEWS,
  OUTAGE_VIEWS,
  PICTURED_KEY,
  PICTURED_POLICY,
  PICTURED_VIEWS,
  seedPictured,
  showBusyHour,
  showNothing,
  showOutage,
} from '../support/pictured-console.ts'

const WIDE = { width: 1000, height: 960 }
const PHONE = { width: 320, height: 500 }
/** What is below is not needed. */
const TOP = { clip: { x: 0, y: 0, width: 1000, height: 720 } }
const BLANK = '#/policy?key=blank'

/** Takes the pictures in docs/images. What they show is tested in console.test.ts. */
describePictures('the pictures of the console', () => {
  const given = givenConsole(seedPictured)

  it.each([
    ['overview', 0, 'light'],
    ['limited', 1, 'light'],
    ['key-dark', 2, 'dark'],
    ['policies', 3, 'light'],
    ['policy', 4, 'light'],
  ] as const)('console-%s', async (name, index, colorScheme) => {
    const [, place, text] = PICTURED_VIEWS[index]
    const open = await given.at(BLANK, { viewport: WIDE, colorScheme })
    await showBusyHour(open)
    await open.go(place)
    await open.shows(text)
    await picture(open.page, `console-${name}`)
  })

  it.each([
    ['narrow', PICTURED_VIEWS, showBusyHour, { colorScheme: 'light' }],
    ['dark', PICTURED_VIEWS, showBusyHour, { colorScheme: 'dark' }],
    ['read-only', PICTURED_VIEWS, showBusyHour, { isReadOnly: true }],
    ['empty', EMPTY_VIEWS, showNothing, {}],
    ['error', OUTAGE_VIEWS, showOutage, {}],
  ] as const)('console-%s', async (name, views, prepare, options) => {
    const open = await given.at(BLANK, { viewport: PHONE, ...options })
    await open.shows('There never was a policy')
    await prepare(open)
    const pictures = []
    for (const [title, place, text] of views) {
      await open.go(place)
      await open.shows(text)
      await open.expectFits()
      pictures.push({ title, png: await open.page.screenshot() })
    }
    await sheetOf(given.browser, `console-${name}`, pictures)
  })

  it('an edit, its dry run, a conflict and a rollback', async () => {
    const open = await given.at(`#/policy?key=${PICTURED_POLICY}`, { viewport: WIDE })
    await edit(open)
    await picture(open.page, 'console-dry-run')
    const { body } = await given.admin.get(`/config/${PICTURED_POLICY}`)
    await given.admin.put(PICTURED_POLICY, { limits: body.limits, description: 'Everybody, also guests' })
    await open.button('Apply').click()
    await open.shows('This policy has changed in the meantime')
    await picture(open.page, 'console-conflict', TOP)
    await open.button('Take theirs').click()
    await open.button('Cancel').click()
    await open.page.reload()
    await open.button('Roll back to 1…').click()
    await open.page.getByRole('dialog').getByLabel('Reason, for the history').fill('Guests complain')
    await picture(open.page, 'console-rollback', TOP)
    await open.button('Roll back').click()
    await open.shows('The policy is that of version 1 again.')
    expect((await given.admin.get(`/buckets/${PICTURED_KEY}`)).body.definition.version).toBe(4)
  })

  async function edit(open: OpenConsole): Promise<void> {
    await open.button('Edit').click()
    await open.page.getByLabel('Capacity').first().fill('30')
    await open.page.getByLabel('Reason, for the history').fill('The customers asked for it')
    await open.button('Dry run').click()
    await open.shows('nothing has changed yet')
  }
})
