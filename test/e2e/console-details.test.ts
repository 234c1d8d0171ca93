import { expect, it } from '@jest/globals'
import { describeWithChromium } from '../support/browser.ts'
import { ABUSER, CALLED, FIRST, NO_CHECKS, NO_KEYS, OUTAGE, SECOND, seed, VIEWS } from '../support/console-data.ts'
import { eventually } from '../support/eventually.ts'
import { givenConsole } from '../support/given-console.ts'

describeWithChromium('the console, in detail,', () => {
  const given = givenConsole(seed)

  it('says so where there is nothing', async () => {
    const open = await given.at('#/limited?by=shadowed&window=1m')
    for (const [place, text] of [
      ['#/key?key=never%20seen', 'No denial of this key was recorded.'],
      ['#/policies?prefix=nothing', 'No stored config key begins with'],
      ['#/policy?key=nothing', 'There never was a policy under this config key.'],
    ] as const) {
      await open.go(place)
      await open.shows(text)
      await open.expectNoFault()
    }
    await open.answer('/stats', 200, NO_CHECKS)
    await open.answer('/top', 200, NO_KEYS)
    await open.go('#/overview')
    await open.shows('No checks in this time.')
    await open.go('#/limited')
    await open.shows('Nothing was counted since')
    await open.expectNoFault()
  })

  it('says what is wrong, keeps what it had, and tries again', async () => {
    const open = await given.at('#/policy?key=nothing')
    for (const [, place, text] of VIEWS) {
      for (const path of CALLED) await open.answer(path, 503, OUTAGE)
      await open.go(place)
      await open.shows(OUTAGE.detail)
      await open.expectNoFault()
      await open.restore()
      await open.retryAll()
      await open.shows(text)
    }
    await open.go('#/overview')
    await open.shows('closed')
    for (const path of CALLED) await open.answer(path, 503, OUTAGE)
    await open.shows(OUTAGE.detail)
    await open.shows('closed')
    await open.expectNoFault()
  })

  it('says in every part of a view that a key is not allowed', async () => {
    const open = await given.at('#/overview')
    for (const [place, text, alerts] of [
      ['#/key?key=..', 'the key ".." is not allowed', 3],
      ['#/policy?key=..', 'the key ".." is not allowed', 2],
      ['#/key?key=.', 'the key "." is not allowed', 3],
      ['#/policy?key=.', 'the key "." is not allowed', 2],
      ['#/key?key=%07', 'the key contains the control character U+0007', 3],
    ] as const) {
      await open.go(place)
      await open.shows(text)
      await eventually(async () => expect(await open.page.getByRole('alert').count()).toBe(alerts))
      await open.expectNoFault()
    }
  })

  it('a read-only token sees everything, and its controls are disabled', async () => {
    const open = await given.at(`#/key?key=${ABUSER}`, { isReadOnly: true })
    await open.shows('The token “eve” may only read. Changes are disabled.')
    for (const name of ['Reset…', /^Check and spend/]) expect(await open.button(name).isDisabled()).toBe(true)
    await open.button('Preview').click()
    await open.shows('A check for 1 would be denied.')
    await open.expectNoFault()
    await open.go('#/policy?key=user:*')
    await open.shows('the second reason')
    for (const name of ['Edit', 'Delete…', 'Roll back to 1…']) expect(await open.button(name).isDisabled()).toBe(true)
    await open.expectNoFault()
  })

  it('does not take the first 100 reservations for all', async () => {
    await given.admin.put('held', { limits: [{ name: 'jobs', kind: 'concurrency', capacity: 1000 }] })
    const reserve = () => given.admin.request('POST', '/reservations', { key: 'held', tokens: 2 })
    for (let i = 0; i < 99; i++) await reserve()
    const open = await given.at('#/key?key=held')
    await open.shows('Reservations in progress: 99, which hold 198 tokens.')
    for (let i = 0; i < 51; i++) await reserve()
    await open.shows('Reservations in progress: at least 100. The first 100 to expire hold 200 tokens.')
    await open.expectNoFault()
  })

  it('says why a policy is in force', async () => {
    await given.admin.put('rls;edge;remote_address', FIRST)
    await given.admin.put('big*', FIRST)
    await given.admin.put('own', FIRST)
    const open = await given.at('#/key?key=own')
    await open.shows('It is stored under this very key')
    await open.go('#/key?key=big*')
    await open.shows('It is the longest stored prefix of the key')
    await open.go(`#/key?${new URLSearchParams({ key: 'rls;edge;remote_address=1.2.3.4' })}`)
    await open.shows('It matches this descriptor')
    await open.go('#/key?key=other')
    await open.shows('the built-in policy of the settings decides')
    await open.expectNoFault()
  })

  it('follows a change that is queued to its outcome', async () => {
    await given.admin.put('queued', FIRST)
    const open = await given.at('#/policy?key=queued')
    await open.button('Edit').click()
    await open.page.getByLabel('Capacity').fill('30')
    await open.button('Dry run').click()
    await open.doNotWaitForOutcomes('/config/queued')
    await open.answer('/commands', 200, { status: 'queued' })
    await open.button('Apply').click()
    await open.shows('The change is queued. Its outcome appears here.')
    await open.expectNoFault()
    await open.restore()
    await open.shows('The change is in force, as version 2.')
    await open.shows('30 tokens, 1 more every 1 h')
    await open.answer('/commands', 200, { status: 'rejected', error: { detail: 'somebody was faster' } })
    await open.doNotWaitForOutcomes('/config/queued')
    await open.button('Roll back to 1…').click()
    await open.button('Roll back').click()
    await open.shows('The change was not made (rejected): somebody was faster')
    await open.expectNoFault()
  })

  /** Applies a change whose answer is lost. */
  const applyInVain = async (key: string) => {
    await given.admin.put(key, FIRST)
    const open = await given.at(`#/policy?key=${key}`)
    await open.button('Edit').click()
    await open.page.getByLabel('Capacity').fill('30')
    await open.button('Dry run').click()
    await open.loseAnswers('/config/doubted', OUTAGE)
    await open.button('Apply').click()
    await open.shows(OUTAGE.detail)
    return open
  }

  it('makes a change once, although the answer to it was lost', async () => {
    const open = await applyInVain('doubted')
    await open.shows('it is not made twice')
    await open.expectNoFault()
    await open.restore()
    await open.button('Apply').click()
    await open.shows('The policy is changed, and in force.')
    await open.loseAnswers('/config/doubted', OUTAGE)
    await open.button('Roll back to 1…').click()
    await open.button('Roll back').click()
    await open.shows(OUTAGE.detail)
    await open.restore()
    await open.button('Roll back').click()
    await open.shows('The policy is that of version 1 again.')
    expect((await given.admin.get('/config/doubted')).body).toMatchObject({ version: 3, ...FIRST })
  })

  it('says that a conflict may come from an own attempt whose outcome was unknown', async () => {
    const open = await applyInVain('doubted again')
    await open.restore()
    await open.page.getByLabel('Capacity').fill('40')
    await open.button('Dry run').click()
    await open.shows('It may be your earlier attempt, whose outcome was unknown.')
    await open.shows('What yours would change now')
  })

  it('rolls a policy back, and deletes it', async () => {
    await given.admin.put('restored', FIRST)
    await given.admin.put('restored', SECOND)
    const open = await given.at('#/policy?key=restored')
    await open.button('Roll back to 1…').click()
    await open.expectNoFault()
    await open.page.getByRole('dialog').getByLabel('Reason, for the history').fill('it was better')
    await open.button('Roll back').click()
    await open.shows('The policy is that of version 1 again.')
    await open.shows('it was better')
    expect((await given.admin.get('/config/restored')).body).toMatchObject({ version: 3, ...FIRST })
    await open.button('Delete…').click()
    await open.button('Delete').click()
    await open.shows('The policy is deleted.')
    await open.shows('No policy is stored under this config key.')
  })

  it('creates a temporary policy, as a form and as JSON, and shows what is wrong with it', async () => {
    const open = await given.at('#/policies')
    await open.page.getByLabel('Open or create').fill('made')
    await open.button('Open').click()
    await open.button('Create policy').click()
    await open.page.getByLabel('Name').fill('Not Allowed')
    await open.button('Dry run').click()
    await open.shows('/limits/0/name')
    await open.page.getByLabel('Name').fill('made')
    await open.page.getByLabel('Edit as JSON').check()
    const policy = JSON.parse(await open.page.getByLabel('The policy').inputValue())
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString()
    await open.page.getByLabel('The policy').fill(JSON.stringify({ ...policy, expiresAt }))
    await open.button('Dry run').click()
    await open.button('Apply').click()
    await open.shows('Then there is no policy under this config key.')
    expect((await given.admin.get('/config/made')).body).toMatchObject({
      limits: [{ name: 'made' }],
      expiresAt,
      then: null,
    })
  })

  it('shows what follows a temporary policy once it has ended', async () => {
    await given.admin.put('ending', { capacity: 67, refillTokens: 1 })
    const expiresAt = new Date(Date.now() + 3_000).toISOString()
    await given.admin.put('ending', { capacity: 888, refillTokens: 1, expiresAt })
    const open = await given.at('#/policy?key=ending')
    await open.shows('888')
    await open.page.getByRole('region', { name: 'Stored now' }).getByText('67').waitFor()
    await open.expectNoFault()
  })

  it('shows exactly what is stored, what follows it, and how a version differs from the one before', async () => {
    const every = (refillIntervalMs: number) => ({ limits: [{ ...FIRST.limits[0], refillIntervalMs }] })
    const then = { ...every(90_001), onStoreFailure: 'deny', overdraft: true, description: 'what follows' }
    const temporary = { ...every(89_900_000), expiresAt: new Date(Date.now() + 86_400_000).toISOString() }
    await given.admin.put('exact', { ...temporary, then: { ...then, onStoreFailure: 'allow' } })
    await given.admin.put('exact', { ...temporary, then })
    const open = await given.at('#/policy?key=exact')
    const stored = open.page.getByRole('region', { name: 'Stored now' })
    for (const text of ['1 d 58 min 20 s', '1 min 30.001 s', 'deny', 'what follows', 'and still charged']) {
      await stored.getByText(text).first().waitFor()
    }
    await open.page.getByRole('listitem').filter({ hasText: 'Version 2' }).getByText('then: onStoreFailure').waitFor()
    await open.button('Roll back to 1…').click()
    await open.page.getByRole('dialog').getByText('then: onStoreFailure').waitFor()
    expect(await open.page.getByText('No difference.').count()).toBe(0)
    await open.expectNoFault()
  })

  it('begins a long history with the newest change, also after a deletion, and reads older ones', async () => {
    for (let capacity = 1; capacity <= 60; capacity++) {
      await given.admin.put('long', { limits: [{ ...FIRST.limits[0], capacity }] })
    }
    const open = await given.at('#/policy?key=long')
    const versions = open.page.getByRole('heading', { name: /^Version/ })
    const expectVersions = (newest: number, oldest: number) =>
      eventually(async () => {
        const found = (await versions.allTextContents()).map(text => Number.parseInt(text.slice('Version '.length), 10))
        expect(found).toEqual(Array.from({ length: newest - oldest + 1 }, (_, i) => newest - i))
      })
    await expectVersions(60, 36)
    await open.button('Earlier changes').click()
    await expectVersions(60, 11)
    await open.button('Delete…').click()
    await open.button('Delete').click()
    await expectVersions(61, 37)
    for (const oldest of [12, 1]) {
      await open.button('Earlier changes').click()
      await expectVersions(61, oldest)
    }
    expect(await open.button('Earlier changes').count()).toBe(0)
    await open.expectNoFault()
  })
})
