import { useEffect, useRef, useState } from 'preact/hooks'
import type { CallFailure } from '../api/call.ts'
import { asFailure, type Loaded, useLoaded } from './use-loaded.ts'

interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | undefined
}

interface Pages<Item> extends Loaded<{ readonly items: readonly Item[]; readonly hasMore: boolean }> {
  readonly isLoadingMore: boolean
  loadMore(): void
}

/** A list that is read page by page, as far as the operator asks. */
export function usePages<Item>(
  name: string,
  read: (cursor: string | undefined, signal?: AbortSignal) => Promise<Page<Item>>,
): Pages<Item> {
  const first = useLoaded(name, signal => read(undefined, signal))
  const [more, setMore] = useState<readonly Page<Item>[]>([])
  const [isLoadingMore, setLoadingMore] = useState(false)
  const [failure, setFailure] = useState<CallFailure>()
  const shown = useRef(first.value)
  shown.current = first.value
  useEffect(() => setMore([]), [first.value])

  const pages = first.value === undefined ? [] : [first.value, ...more]
  const next = pages.at(-1)?.next
  const loadMore = () => {
    const list = first.value
    setLoadingMore(true)
    setFailure(undefined)
    read(next)
      // The list may have been replaced in the meantime.
      .then(page => shown.current === list && setMore(known => [...known, page]))
      .catch((err: unknown) => setFailure(asFailure(err)))
      .finally(() => setLoadingMore(false))
  }
  return {
    value: first.value && { items: pages.flatMap(({ items }) => items), hasMore: next !== undefined },
    failure: first.failure ?? failure,
    reload: first.reload,
    isLoadingMore,
    loadMore,
  }
}
