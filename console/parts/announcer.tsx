import { useEffect, useState } from 'preact/hooks'

const SHOWN_MS = 8000

let show: (text: string) => void = () => {}

/** Says that something was done: visibly for a while, and to screen readers. */
export function announce(text: string): void {
  show(text)
}

export function Announcer() {
  const [text, setText] = useState('')
  show = setText
  useEffect(() => {
    const timer = setTimeout(() => setText(''), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <div class="announcer" role="status">
      {text !== '' && <p>{text}</p>}
    </div>
  )
}
