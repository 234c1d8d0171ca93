/** The entry of `npm start`. What it runs loads later, so that a stop is obeyed almost from the first moment. */
import './processes/early-stop.ts'

await import('./supervisor.ts')
