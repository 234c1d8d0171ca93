import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Announcer } from './parts/announcer.tsx'
import { KeyFinder } from './parts/key-finder.tsx'
import { linkTo, type Place, placeOf, type View } from './router.ts'
import { session } from './session.ts'
import { visibleText } from './text/visible-text.ts'
import { KeyView } from './views/key.tsx'
import { LimitedView } from './views/limited.tsx'
import { OverviewView } from './views/overview.tsx'
import { PoliciesView } from './views/policies.tsx'
import { PolicyView } from './views/policy.tsx'

const SECTIONS: readonly (readonly [view: View, title: string])[] = [
  ['overview', 'Overview'],
  ['limited', 'Who is limited'],
  ['policies', 'Policies'],
]

/** The section to which a view that the navigation does not list belongs. */
const SECTION_OF: Readonly<Partial<Record<View, View>>> = { key: 'limited', policy: 'policies' }

export function App() {
  const place = usePlace()
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  const name = titleOf(place)
  useEffect(() => {
    document.title = `${name} · Throttler`
    if (!isFirst.current) main.current?.querySelector('h1')?.focus()
    isFirst.current = false
  }, [name])
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Header section={SECTION_OF[place.view] ?? place.view} />
      <main ref={main} tabIndex={-1}>
        <ViewAt place={place} />
      </main>
      <Announcer />
    </>
  )
}

function Header({ section }: { section: View }) {
  return (
    <header>
      <a class="brand" href={linkTo('overview')}>
        Throttler
      </a>
      <nav aria-label="Console">
        {SECTIONS.map(([view, title]) => (
          <a key={view} href={linkTo(view)} aria-current={view === section ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <KeyFinder />
      <p class="operator">
        {session.operator}
        {session.readOnly && <span class="tag">read-only</span>}
      </p>
    </header>
  )
}

function ViewAt({ place: { view, params } }: { place: Place }): ComponentChildren {
  const { key = '' } = params
  if (view === 'limited') return <LimitedView params={params} />
  if (view === 'key' && key !== '') return <KeyView key={key} name={key} />
  if (view === 'policies') return <PoliciesView key={params['prefix'] ?? ''} prefix={params['prefix'] ?? ''} />
  if (view === 'policy' && key !== '') return <PolicyView key={key} name={key} />
  return <OverviewView />
}

function titleOf({ view, params: { key = '' } }: Place): string {
  if (view === 'key') return `Key ${visibleText(key)}`
  if (view === 'policy') return `Policy ${visibleText(key)}`
  return SECTIONS.find(([section]) => section === view)?.[1] ?? 'Overview'
}

function usePlace(): Place {
  const [fragment, setFragment] = useState(location.hash)
  useEffect(() => {
    const follow = () => setFragment(location.hash)
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return placeOf(fragment)
}
