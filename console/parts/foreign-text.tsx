import { visibleSegments } from '../text/visible-text.ts'

/** A text that a caller chose, such as a key: isolated from the text around it, with its invisible characters as escapes. */
export function ForeignText({ text, isProse = false }: { text: string; isProse?: boolean }) {
  return (
    <bdi class={isProse ? 'foreign prose' : 'foreign'}>
      {visibleSegments(text).map((part, index) =>
        part.escaped === undefined ? (
          part.text
        ) : (
          <span key={index} class="escape" title={part.escaped}>
            {part.text}
          </span>
        ),
      )}
    </bdi>
  )
}
