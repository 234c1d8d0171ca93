/** The entry of `npm run start:worker`. It loads the rest dynamically, so that a stop signal works almost from the first moment. */
import '../src/processes/early-stop.ts'

await import('./run-worker.ts')
