import { expect, it } from '@jest/globals'
import { describeWithChromium } from '../support/browser.ts'
import { NARROW } from '../support/console.ts'
import { ABUSER, FIRST, HOSTILE_KEYS, seed, VIEWS } from '../support/console-data.ts'
import { givenConsole } from '../support/given-console.ts'

describeWithChromium('the console', () => {
  const given = givenConsole(seed)

  it.each(VIEWS)('%s is accessible: wide and light, narrow and dark', async (_, place, text) => {
    const open = await given.at(place)
    const { page } = open
    await open.shows(text)
    await open.expectNoFault()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize(NARROW)
    await open.expectNoFault()
  })

  it('finds a key in the list, shows its denials, and resets it', async () => {
    const open = await given.at('#/limited')
    await open.page.getByRole('link', { name: ABUSER }).click()
    await open.shows('Key user:7')
    await open.page.getByRole('row').filter({ hasText: 'burst' }).first().waitFor()
    await open.shows('0 of 20 left')
    await open.button('Reset…').click()
    await open.page.getByRole('dialog', { name: 'Reset this bucket?' }).waitFor()
    await open.page.keyboard.press('Escape')
    await open.page.locator('button:focus').getByText('Reset…').waitFor()
    expect(await open.page.getByRole('dialog').count()).toBe(0)
    await open.button('Reset…').click()
    await open.expectNoFault()
    await open.button('Reset').click()
    await open.shows('The bucket is full again.')
    await open.shows('20 of 20 left')
  })

  it('tries a check: a preview spends nothing, a check does, and 0 tokens only read', async () => {
    const open = await given.at('#/key?key=user:tried')
    await open.shows('20 of 20 left')
    await open.page.getByLabel('Tokens', { exact: true }).fill('8')
    await open.button('Preview').click()
    await open.shows('A check for 8 would be allowed.')
    await open.button('Check and spend 8').click()
    await open.shows('A check for 8 is allowed.')
    await open.shows('12 of 20 left')
    await open.page.getByLabel('Tokens', { exact: true }).fill('0')
    await open.button('Check and spend 0').click()
    await open.shows('A check for 0 is allowed.')
    await open.page.getByLabel('Tokens', { exact: true }).fill('15')
    await open.button('Check and spend 15').click()
    await open.shows('A check for 15 is denied.')
    await open.page.getByLabel('Policy that the caller names').fill('no such policy')
    await open.button('Preview').click()
    await open.shows(/names the policy "no such policy", but none is stored/)
  })

  it('edits a policy: dry run, conflict, and the change on top of it', async () => {
    await given.admin.put('edited:*', FIRST)
    const open = await given.at('#/policy?key=edited:*')
    await open.button('Edit').click()
    await open.page.getByLabel('Capacity').fill('30')
    await open.page.getByLabel('Reason, for the history').fill('größer – 更大')
    expect(await open.button('Apply').isDisabled()).toBe(true)
    await open.button('Dry run').click()
    await open.shows('nothing has changed yet')
    await open.shows('30 tokens, 1 more every 1 h')
    await open.expectNoFault()
    await given.admin.put('edited:*', { ...FIRST, description: 'by somebody else' })
    await open.button('Apply').click()
    await open.shows('This policy has changed in the meantime')
    await open.shows('by somebody else')
    await open.expectNoFault()
    await open.button('Keep my draft').click()
    await open.button('Dry run').click()
    await open.button('Apply').click()
    await open.shows('The policy is changed, and in force.')
    await open.shows('größer – 更大')
    const { body } = await given.admin.get('/config/edited:*')
    expect(body).toMatchObject({ version: 3, limits: [{ capacity: 30 }], updatedBy: 'ann' })
    expect(body.description).toBeUndefined()
  })

  it('shows hostile keys as texts, in every view', async () => {
    const open = await given.at('#/limited', { viewport: NARROW })
    await open.shows('\\u{202E}evil\\u{202C}')
    await open.expectNoFault()
    const links = open.page.getByRole('rowheader').getByRole('link')
    const places = await links.evaluateAll(found => found.map(link => link.getAttribute('href') ?? ''))
    const keyOf = (place: string) => new URLSearchParams(place.replace(/.*\?/, '')).get('key')
    expect(places.map(keyOf)).toEqual(expect.arrayContaining(HOSTILE_KEYS))
    for (const place of places) {
      await open.go(place)
      await open.shows('Bucket, live')
      await open.expectFits()
      await open.go(place.replace('#/key', '#/policy'))
      await open.shows('Stored now')
      await open.expectFits()
    }
  })

  it('shows hostile config keys and descriptions as texts', async () => {
    const configKeys = HOSTILE_KEYS.map(key => `${key.slice(0, 200)}*`)
    for (const [i, key] of configKeys.entries()) {
      await given.admin.put(key, { ...FIRST, description: String(HOSTILE_KEYS[i]) })
    }
    const open = await given.at('#/policies', { viewport: NARROW })
    await open.shows('\\u{202E}evil\\u{202C}*')
    await open.expectNoFault()
    for (const key of configKeys) {
      await open.go(`#/policy?${new URLSearchParams({ key })}`)
      await open.shows('Description')
      await open.expectFits()
    }
  })

  it('can be used with the keyboard', async () => {
    const open = await given.at('#/policies')
    const { page } = open
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN')
    await page.getByRole('link', { name: 'Who is limited' }).focus()
    await page.keyboard.press('Enter')
    await page.locator('h1:focus').getByText('Who is limited').waitFor()
    expect(await page.title()).toBe('Who is limited · Throttler')
  })
})
